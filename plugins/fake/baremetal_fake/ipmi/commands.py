"""What a command is: its number, the privilege that it takes, and what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from baremetal_fake.faults import Fault

if TYPE_CHECKING:
    from baremetal_fake.ipmi.bmc import IPMIBMC
    from baremetal_fake.ipmi.sessions import Session


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
    """Privilege levels."""

    NONE = 0
    CALLBACK = 1
    USER = 2
    OPERATOR = 3
    ADMINISTRATOR = 4


class Refused(Exception):
    """The command ends with another completion code than zero."""

    def __init__(self, code: int) -> None:
        super().__init__(f"completion code {code:#04x}")
        self.code = code


@dataclass(frozen=True)
class Operation:
    """What a request asks for, by the name that fault plans and the machine's log know it by; *run* gives the answer."""

    name: str
    run: Callable[[Fault | None], bytes]
    arguments: Mapping[str, object] = field(default_factory=dict)
    changes: bool = False


@dataclass(frozen=True)
class Call:
    """A command as it came in: at which BMC, over which session (None: outside of one), with what data."""

    bmc: IPMIBMC
    session: Session | None
    data: bytes

    def need(self, length: int) -> bytes:
        """The data, where there are at least *length* bytes of it."""
        if len(self.data) < length:
            raise Refused(Code.WRONG_LENGTH)
        return self.data


@dataclass(frozen=True)
class Command:
    """One command of the table: who may give it and how its data are understood."""

    level: Level
    understand: Callable[[Call], Operation]


Table = Mapping[tuple[int, int], Command]
"""Network function and command number -> command."""


def reading(name: str, read: Callable[[Call], bytes], level: Level = Level.USER) -> Command:
    """A command that reads and changes nothing."""
    return Command(level, lambda call: Operation(name, lambda _: read(call)))


def changing(name: str, change: Callable[[], None], **arguments: object) -> Operation:
    """An operation that changes something and answers nothing."""

    def run(_: Fault | None) -> bytes:
        change()
        return b""

    return Operation(name, run, arguments, changes=True)
