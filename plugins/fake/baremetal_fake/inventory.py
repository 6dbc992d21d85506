"""Inventory of a simulated machine. By default it is derived from the machine's name, so it is the same after a restart."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass


@dataclass(frozen=True)
class NIC:
    """A network interface of a simulated machine."""

    name: str
    mac: str
    speed_mbps: int = 10000
    linked: bool = True
    pxe_enabled: bool = True


@dataclass(frozen=True)
class Disk:
    """A disk of a simulated machine. *size_gb* is in GiB, like ``local_gb`` in the Bare Metal API."""

    name: str
    size_gb: int
    serial: str
    rotational: bool = False


@dataclass(frozen=True)
class Inventory:
    """The parts of a simulated machine, its serial number and UUID, and the names that its manufacturer gave it."""

    serial: str
    uuid: str
    nics: tuple[NIC, ...]
    disks: tuple[Disk, ...]
    cpus: int = 8
    memory_mb: int = 65536
    cpu_arch: str = "x86_64"
    cpu_model: str = "Simulated CPU"
    manufacturer: str = "Baremetal"
    model: str = "Simulated machine"

    @property
    def local_gb(self) -> int:
        """Size in GiB of the first disk, which receives a deployed image; 0 without a disk."""
        return self.disks[0].size_gb if self.disks else 0

    @classmethod
    def of(cls, name: str, *, nics: int = 2, disks: int = 1, disk_gb: int = 480) -> Inventory:
        """Return the inventory that is derived from the machine name *name*, with that many *nics* and *disks*."""
        digest = hashlib.sha256(name.encode()).digest()
        serial = digest[5:10].hex().upper()
        return cls(
            serial=f"FAKE{serial}",
            uuid=str(uuid.UUID(bytes=digest[16:32], version=5)),
            nics=tuple(NIC(f"eth{index}", _mac(digest, index), pxe_enabled=index == 0) for index in range(nics)),
            disks=tuple(Disk(f"disk{index}", disk_gb, f"{serial}{index:02d}") for index in range(disks)),
        )


def _mac(digest: bytes, index: int) -> str:
    """Return the MAC address of network interface *index*: a locally administered address (bit 0x02).

    Its other 40 bits differ between tens of thousands of machines.
    """
    number = (int.from_bytes(digest[:5], "big") + index) % (1 << 40)
    return ":".join(f"{byte:02x}" for byte in (0x02, *number.to_bytes(5, "big")))
