"""Options of the simulated BMCs of an IPMI test service."""

from __future__ import annotations

from dataclasses import dataclass, field

from baremetal_fake.ipmi.sensors import SENSORS, Sensor
from baremetal_fake.ipmi.sessions import AccessOptions


@dataclass(frozen=True)
class IPMIOptions:
    """Options that set how the simulated IPMI BMCs of one test service behave."""

    access: AccessOptions = field(default_factory=AccessOptions)
    strict_power: bool = False
    """Whether the BMC refuses a power command that would not change the power state. If false, it accepts the command."""
    uefi: bool = True
    """Whether the BMC accepts boot flags for UEFI. If false, it refuses them as an invalid field."""
    sensors: tuple[Sensor, ...] = SENSORS
    whole_sensor_records: bool = False
    """Whether one request may read a whole sensor record. If false, a client reads parts of 32 bytes under a reservation."""
    embeds_bridged_response: bool = False
    """Whether the answer to Send Message contains the bridged controller's response.

    If false, the response follows separately.
    """
    parallel_limit: int | None = None
    """Maximum number of commands in flight at one BMC. The BMC refuses further ones with C4h (out of space). None: no limit."""
