"""What a simulated machine is made of. It follows from the machine's name, so that it is the same after a restart."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass


@dataclass(frozen=True)
class NIC:
    """One network interface."""

    name: str
    mac: str
    speed_mbps: int = 10000
    linked: bool = True
    pxe_enabled: bool = True


@dataclass(frozen=True)
class Disk:
    """One disk. *size_gb* is in GiB, as the Bare Metal API counts ``local_gb``."""

    name: str
    size_gb: int
    serial: str
    rotational: bool = False


@dataclass(frozen=True)
class Inventory:
    """The parts of a machine, and what its maker wrote on it."""

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
        """The size of the first disk, which is the one that is deployed to."""
        return self.disks[0].size_gb if self.disks else 0

    @classmethod
    def of(cls, name: str, *, nics: int = 2, disks: int = 1, disk_gb: int = 480) -> Inventory:
        """The inventory of the machine that is called *name*."""
        digest = hashlib.sha256(name.encode()).digest()
        serial = digest[5:10].hex().upper()
        return cls(
            serial=f"FAKE{serial}",
            uuid=str(uuid.UUID(bytes=digest[16:32], version=5)),
            nics=tuple(NIC(f"eth{index}", _mac(digest, index), pxe_enabled=index == 0) for index in range(nics)),
            disks=tuple(Disk(f"disk{index}", disk_gb, f"{serial}{index:02d}") for index in range(disks)),
        )


def _mac(digest: bytes, index: int) -> str:
    """A locally administered address (the bit 0x02). Forty bits keep tens of thousands of machines apart."""
    number = (int.from_bytes(digest[:5], "big") + index) % (1 << 40)
    return ":".join(f"{byte:02x}" for byte in (0x02, *number.to_bytes(5, "big")))
