"""Options of the simulated BMCs of an IPMI test service."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
    """Whether one request may read a whole sensor record. If false, a client reads parts under a reservation."""
    sensor_read_bytes: int = 32
    """Maximum number of bytes of a sensor record that one request may read, without ``whole_sensor_records``."""
    sensor_read_code: int = 0xCA
    """Completion code of a request that reads too many bytes of a sensor record."""
    lost_reservations: int = 0
    """Number of reads or erasures that the BMC refuses, one after another, because their reservation was cancelled."""
    phantom_sensor_code: int | None = None
    """Completion code of a missing record that the last sensor record refers to. None: the last record refers to no other."""
    has_broken_sensor: bool = False
    """Whether the last sensor record is broken: the BMC refuses all but its header, which refers to the first record."""
    circular_event_log: bool = False
    """Whether the last entry of the event log refers to the first one. If false, it refers to none (FFFFh)."""
    first_event_number: int = 1
    """Number of the first entry of the event log after an erasure. With 0, the numbers start below the range of IPMI."""
    answers_reset: bool = True
    """Whether the BMC answers a reset command before it restarts."""
    ignores_reset: bool = False
    """Whether the BMC answers a reset command and does not restart."""
    reset_seconds: float = 0.0
    """Seconds of silence after a reset command."""
    keeps_flag_timeout: bool = False
    """Whether the BMC refuses to turn off the timeout of the boot flags, as an unsupported parameter."""
    keeps_cleared_flags: bool = False
    """Whether boot flags that are no longer valid still name the last device."""
    bios_needs_uefi: bool = False
    """Whether the BMC refuses the setup of the firmware as the boot device without the flag for UEFI."""
    has_guid: bool = True
    """Whether the BMC has an identifier (GUID). If false, it is zero."""
    unlimited_identify: bool = True
    """Whether the identify light can stay on without a limit. If false, the BMC refuses the parameter."""
    refused_commands: Mapping[tuple[int, int], int] = field(default_factory=dict)
    """Completion codes of commands that the BMC refuses, by network function and number of the command."""
    embeds_bridged_response: bool = False
    """Whether the answer to Send Message contains the bridged controller's response.

    If false, the response follows separately.
    """
    parallel_limit: int | None = None
    """Maximum number of commands in flight at one BMC. The BMC refuses further ones with C4h (out of space). None: no limit."""
    ignored_commands: Collection[tuple[int, int]] = ()
    """Network functions and numbers of commands that the BMC does not answer."""
