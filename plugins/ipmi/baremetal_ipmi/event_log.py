"""The log of system events (SEL; IPMI 2.0, chapters 31 and 32)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from baremetal_interfaces import Deadline, DeadlineExceeded
from baremetal_ipmi.errors import CommandRefused, IPMIError
from baremetal_ipmi.session import IPMISession

_STORAGE = 0x0A
_RESERVE, _GET, _CLEAR = 0x42, 0x43, 0x47
_FIRST, _LAST = 0x0000, 0xFFFF
_WHOLE = 0xFF
_NOT_PRESENT = 0xCB
_BEGIN, _LOOK = 0xAA, 0x00
_DONE = 0x01
_SYSTEM_EVENT = 0x02
_OEM_WITH_TIME = range(0xC0, 0xE0)
_SINCE_START = 0x20000000
"""Times below it count from the start of the BMC, whose clock was not set then."""
_LOOK_EVERY = 0.2


def read_events(session: IPMISession, most: int, deadline: Deadline) -> list[dict[str, Any]]:
    """The events of the log, the oldest first, *most* of them from the beginning on."""
    found: list[dict[str, Any]] = []
    number = _FIRST
    while len(found) < most:
        try:
            answer = session.request(_STORAGE, _GET, [0, 0, *number.to_bytes(2, "little"), 0, _WHOLE], deadline=deadline)
        except CommandRefused as exc:
            if exc.code == _NOT_PRESENT and number == _FIRST:
                return found
            raise
        if len(answer) < 18:
            raise IPMIError(f"entry {number} of the event log is cut off")
        found.append(described(answer[2:18]))
        following = int.from_bytes(answer[:2], "little")
        if following in (_LAST, number):
            return found
        number = following
    return found


def clear_events(session: IPMISession, deadline: Deadline) -> None:
    """Erase the log, and see that it is erased."""
    reservation = session.request(_STORAGE, _RESERVE, deadline=deadline)[:2]
    action = _BEGIN
    while True:
        answer = session.request(_STORAGE, _CLEAR, [*reservation, *b"CLR", action], deadline=deadline)
        if answer and answer[0] & 0x0F == _DONE:
            return
        if deadline.expired:
            raise DeadlineExceeded("the BMC is not done with erasing its event log")
        action = _LOOK
        time.sleep(min(_LOOK_EVERY, deadline.remaining()))


def described(record: bytes) -> dict[str, Any]:
    """One record of sixteen bytes, taken apart (tables 32-1 to 32-3)."""
    kind = record[2]
    said: dict[str, Any] = {"id": int.from_bytes(record[:2], "little"), "record_type": kind}
    if kind == _SYSTEM_EVENT or kind in _OEM_WITH_TIME:
        said["time"] = _time(int.from_bytes(record[3:7], "little"))
    if kind != _SYSTEM_EVENT:
        return {**said, "data": record[3:].hex()}
    return {
        **said,
        "generator": int.from_bytes(record[7:9], "little"),
        "sensor_type": record[10],
        "sensor": record[11],
        "asserted": not record[12] & 0x80,
        "event_type": record[12] & 0x7F,
        "event_data": record[13:16].hex(),
    }


def _time(seconds: int) -> str | None:
    if seconds in (0xFFFFFFFF, 0):
        return None
    if seconds < _SINCE_START:
        return f"{seconds} s after the start of the BMC"
    return datetime.fromtimestamp(seconds, UTC).isoformat()
