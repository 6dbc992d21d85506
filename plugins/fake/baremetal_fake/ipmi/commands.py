"""The table of IPMI commands: number, required privilege and effect of each command."""

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
    """Completion codes (IPMI 2.0, table 5-2)."""

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
    """Privilege levels of commands and sessions."""

    NONE = 0
    CALLBACK = 1
    USER = 2
    OPERATOR = 3
    ADMINISTRATOR = 4


class CommandError(Exception):
    """Error that ends a command with a completion code other than zero."""

    def __init__(self, code: int) -> None:
        super().__init__(f"command failed with completion code {code:#04x}")
        self.code = code


class BMCState(Protocol):
    """The state of a BMC that commands read and change.

    The class of BMCs (``IPMIBMC``) uses the command table. This protocol keeps the commands from importing that class in turn.
    """

    rack: Rack
    options: IPMIOptions
    guid: bytes
    logins: LoginTable
    events: EventLog
    sensors: tuple[Sensor, ...]
    sensor_reservation: int
    """Number of the valid reservation of the sensor repository."""
    keeps_boot_flags: bool
    """Whether boot flags stay valid when no power command follows within 60 seconds."""
    boot_flags_set_at: float | None
    """Clock time in seconds at which boot flags were set; None if a power command followed or no flags are set."""
    identify_until: float | None
    """Clock time in seconds at which the identify light goes off; None if it does not go off by itself."""

    @property
    def machine(self) -> Machine:
        """Machine that the BMC manages."""


@dataclass(frozen=True)
class Operation:
    """The effect of one request, under the *name* that fault plans and the machine's log use.

    *run* carries out the request and returns the data of the answer.
    """

    name: str
    run: Callable[[Fault | None], bytes]
    arguments: Mapping[str, object] = field(default_factory=dict)
    changes: bool = False


@dataclass(frozen=True)
class Call:
    """A command as a BMC received it. *session* is None outside of a session."""

    bmc: BMCState
    session: Session | None
    data: bytes

    def require(self, length: int) -> bytes:
        """Return the data; raise CommandError if there are fewer than *length* bytes."""
        if len(self.data) < length:
            raise CommandError(Code.WRONG_LENGTH)
        return self.data


@dataclass(frozen=True)
class Command:
    """An entry of the command table: the privilege level that the command needs, and the parser of its data."""

    level: Level
    parse: Callable[[Call], Operation]


Table = Mapping[tuple[int, int], Command]
"""Mapping of network function and command number to the command."""


def make_reader(name: str, read: Callable[[Call], bytes], level: Level = Level.USER) -> Command:
    """Return a command that answers with the result of *read* and changes nothing."""
    return Command(level, lambda call: Operation(name, lambda _: read(call)))


def make_change(name: str, change: Callable[[], None], **arguments: object) -> Operation:
    """Return an operation that calls *change* and answers without data."""

    def run(_: Fault | None) -> bytes:
        change()
        return b""

    return Operation(name, run, arguments, changes=True)
