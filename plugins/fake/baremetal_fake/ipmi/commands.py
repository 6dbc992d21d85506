"""IPMI command table of a simulated BMC: it maps each command to the privilege level it needs and to its effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from baremetal_fake.faults import Fault
from baremetal_fake.ipmi.event_log import EventLog
from baremetal_fake.ipmi.options import IPMIOptions
from baremetal_fake.ipmi.sensors import Sensor
from baremetal_fake.ipmi.sessions import LoginTable, Session
from baremetal_fake.machine import Machine
from baremetal_fake.rack import Rack


class Code(IntEnum):
    """Completion codes of IPMI commands (IPMI 2.0, table 5-2)."""

    OK = 0x00
    PARAMETER_NOT_SUPPORTED = 0x80
    BUSY = 0xC0
    INVALID_COMMAND = 0xC1
    INVALID_LUN = 0xC2
    OUT_OF_SPACE = 0xC4
    RESERVATION_LOST = 0xC5
    WRONG_LENGTH = 0xC7
    OUT_OF_RANGE = 0xC9
    TOO_MANY_BYTES = 0xCA
    NOT_PRESENT = 0xCB
    INVALID_FIELD = 0xCC
    PRIVILEGE = 0xD4
    WRONG_STATE = 0xD5
    UNSPECIFIED = 0xFF


class Level(IntEnum):
    """Privilege levels of IPMI commands and sessions."""

    NONE = 0
    CALLBACK = 1
    USER = 2
    OPERATOR = 3
    ADMINISTRATOR = 4


class CommandError(Exception):
    """Error that the BMC answers with a completion code other than zero."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the IPMI command failed: completion code {code:#04x}")
        self.code = code


class BMCState(Protocol):
    """The state of a simulated IPMI BMC that commands read and change.

    The class ``IPMIBMC`` implements this protocol and uses the command table. With the protocol, the commands need not
    import that class.
    """

    rack: Rack
    options: IPMIOptions
    guid: bytes
    logins: LoginTable
    events: EventLog
    sensors: tuple[Sensor, ...]
    sensor_reservation: int
    """Number of the present reservation of the sensor repository. Older reservations are not valid."""
    keeps_boot_flags: bool
    """Whether boot flags stay valid when no power command follows within 60 seconds."""
    boot_flags_set_at: float | None
    """Clock time in seconds at which boot flags were set; None if a power command followed or no flags are set."""
    last_boot_flags: bytes
    """Boot flags that were set last, whether they are still valid or not."""
    identify_until: float | None
    """Clock time in seconds at which the identify light goes off; None if it does not go off by itself."""

    @property
    def machine(self) -> Machine:
        """Simulated machine that the BMC manages."""

    def check_reservation(self, given: int, valid: int) -> None:
        """Raise CommandError (C5h) if the reservation *given* is not the *valid* one, or if it is to be lost now."""

    def restart(self) -> None:
        """End all logins and sessions, and stay silent for as long as the BMC restarts."""


@dataclass(frozen=True)
class Operation:
    """The effect of one valid IPMI request. *run* carries it out under a fault and returns the data of the response.

    Fault plans and the machine's log use the *name*; the log also records the *arguments*. *changes* is true if the
    operation changes the machine or the BMC: only such operations can be lost by a fault.
    """

    name: str
    run: Callable[[Fault | None], bytes]
    arguments: Mapping[str, object] = field(default_factory=dict)
    changes: bool = False


@dataclass(frozen=True)
class Call:
    """An IPMI command as a BMC received it: its data, and its session, or None for a command outside of a session."""

    bmc: BMCState
    session: Session | None
    data: bytes

    def require(self, length: int) -> bytes:
        """Return the data of the command; raise CommandError (C7h) if the data has fewer than *length* bytes."""
        if len(self.data) < length:
            raise CommandError(Code.WRONG_LENGTH)
        return self.data


@dataclass(frozen=True)
class Command:
    """An entry of the command table: the privilege level that the command needs, and the function that parses its data.

    The function returns an operation, or raises CommandError if the data is not valid.
    """

    level: Level
    parse: Callable[[Call], Operation]


Table = Mapping[tuple[int, int], Command]
"""Mapping of network function and command number to the entry of the IPMI command."""


def make_reader(name: str, read: Callable[[Call], bytes], level: Level = Level.USER) -> Command:
    """Return a table entry whose command answers with the result of *read* and changes nothing.

    Its operation has the *name*; the command needs the privilege *level*.
    """
    return Command(level, lambda call: Operation(name, lambda _: read(call)))


def make_change(name: str, change: Callable[[], None], **arguments: object) -> Operation:
    """Return an operation that calls *change* and answers without data. *arguments* are recorded in the machine's log."""

    def run(_: Fault | None) -> bytes:
        change()
        return b""

    return Operation(name, run, arguments, changes=True)
