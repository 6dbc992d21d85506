"""A hardware type: which implementations of each kind serve one sort of machine."""

from __future__ import annotations

from typing import ClassVar

from baremetal_interfaces.values import Kind
from baremetal_interfaces.version import ContractVersion


class HardwareType:
    """Lists implementations by the **name** of their entry point, best first; other people's names, too.

    The first one that is installed and enabled is what a node gets when nothing else is said. The kinds that a machine
    need not have fall back to the implementations that refuse (``no-bios``) or do nothing (``noop``).
    """

    contract_version: ClassVar[ContractVersion | None] = None
    """The version of the contract that it was written for. None stands for the one that is installed."""

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
        """The names of the implementations of *kind*, best first."""
        names: tuple[str, ...] = getattr(cls, str(Kind(kind)))
        return names

    @classmethod
    def describe(cls) -> str:
        """The first line of the documentation of the class."""
        return (cls.__doc__ or cls.__name__).strip().splitlines()[0]
