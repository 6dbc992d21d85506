"""Options of the simulated IPMI BMCs of a service."""

from __future__ import annotations

from dataclasses import dataclass, field

from baremetal_fake.ipmi.sensors import SENSORS, Sensor
from baremetal_fake.ipmi.sessions import AccessOptions


@dataclass(frozen=True)
class IPMIOptions:
    """Behavior of the BMCs of a service."""

    access: AccessOptions = field(default_factory=AccessOptions)
    strict_power: bool = False
    """Whether the BMC refuses a power command that would change nothing."""
    uefi: bool = True
    """Whether the BMC accepts boot flags for UEFI."""
    sensors: tuple[Sensor, ...] = SENSORS
    whole_sensor_records: bool = False
    """Whether one request may read a whole sensor record. If false, a client reads parts under a reservation."""
    embeds_bridged_response: bool = False
    """Whether the answer to Send Message contains the response of the bridged controller. If false, it follows separately."""
    parallel_limit: int | None = None
    """Maximum number of commands in flight. The BMC refuses further ones with C4h (out of space). None: no limit."""
