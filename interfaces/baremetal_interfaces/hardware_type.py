"""Hardware types: the implementations of each kind of interface for one family of machines."""

from __future__ import annotations

from typing import ClassVar

from baremetal_interfaces.values import Kind
from baremetal_interfaces.version import ContractVersion


class HardwareType:
    """A family of machines. Each attribute lists implementations of one kind by their entry point names, preferred first.

    The names may belong to other plugins. A node gets the first name that is installed and enabled, unless its record names
    another one of the list. Optional kinds default to implementations that refuse (``no-bios``) or do nothing (``noop``).
    """

    contract_version: ClassVar[ContractVersion | None] = None
    """The version of the contract that the class was written for, as ``(major, minor)``; None: the installed version."""

    power: ClassVar[tuple[str, ...]] = ()
    management: ClassVar[tuple[str, ...]] = ("noop",)
    boot: ClassVar[tuple[str, ...]] = ("ipxe", "pxe")
    deploy: ClassVar[tuple[str, ...]] = ("ramdisk", "direct", "custom-agent")
    inspect: ClassVar[tuple[str, ...]] = ("no-inspect", "agent")
    bios: ClassVar[tuple[str, ...]] = ("no-bios",)
    raid: ClassVar[tuple[str, ...]] = ("no-raid",)
    firmware: ClassVar[tuple[str, ...]] = ("no-firmware",)
    console: ClassVar[tuple[str, ...]] = ("no-console",)
    rescue: ClassVar[tuple[str, ...]] = ("no-rescue",)
    network: ClassVar[tuple[str, ...]] = ("noop",)
    storage: ClassVar[tuple[str, ...]] = ("noop",)
    vendor: ClassVar[tuple[str, ...]] = ("no-vendor",)

    @classmethod
    def supported(cls, kind: Kind | str) -> tuple[str, ...]:
        """Return the names of the implementations of *kind*, preferred first; raise ``ValueError`` for an unknown kind."""
        names: tuple[str, ...] = getattr(cls, str(Kind(kind)))
        return names

    @classmethod
    def describe(cls) -> str:
        """Return the description for users: the first line of the docstring of the class."""
        return (cls.__doc__ or cls.__name__).strip().splitlines()[0]
