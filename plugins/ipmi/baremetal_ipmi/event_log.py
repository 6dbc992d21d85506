"""Reading and erasing of a BMC's system event log (SEL; IPMI 2.0, chapters 31 and 32)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from baremetal_interfaces import Deadline, DeadlineExceeded
from baremetal_ipmi.errors import CommandRefused, IPMIError
from baremetal_ipmi.session import IPMISession

_STORAGE = 0x0A
_RESERVE, _GET, _CLEAR = 0x42, 0x43, 0x47
_FIRST_ENTRY, _LAST_ENTRY = 0x0000, 0xFFFF
_WHOLE_RECORD = 0xFF
_NOT_PRESENT = 0xCB
_START_ERASURE, _GET_ERASURE_STATUS = 0xAA, 0x00
_ERASURE_DONE = 0x01
_SYSTEM_EVENT = 0x02
_OEM_TIMESTAMPED = range(0xC0, 0xE0)
_MIN_TIMESTAMP_S = 0x20000000
"""Lower timestamps are seconds since the start of the BMC, before its clock was set (IPMI 2.0, chapter 37)."""
_ERASURE_POLL_INTERVAL_S = 0.2


def read_events(session: IPMISession, limit: int, deadline: Deadline) -> list[dict[str, Any]]:
    """Return the *limit* oldest events of the log, oldest first, in the form of :func:`parse_event`."""
    found: list[dict[str, Any]] = []
    number = _FIRST_ENTRY
    while len(found) < limit:
        try:
            answer = session.request(_STORAGE, _GET, [0, 0, *number.to_bytes(2, "little"), 0, _WHOLE_RECORD], deadline=deadline)
        except CommandRefused as exc:
            if exc.code == _NOT_PRESENT and number == _FIRST_ENTRY:
                return found
            raise
        if len(answer) < 18:
            raise IPMIError(f"entry {number} of the event log is truncated")
        found.append(parse_event(answer[2:18]))
        following = int.from_bytes(answer[:2], "little")
        if following in (_LAST_ENTRY, number):
            return found
        number = following
    return found


def clear_events(session: IPMISession, deadline: Deadline) -> None:
    """Erase the log, and wait until the BMC reports that the erasure is complete.

    Raises DeadlineExceeded if the erasure is not complete by *deadline*. The BMC may still complete it.
    """
    reservation = session.request(_STORAGE, _RESERVE, deadline=deadline)[:2]
    action = _START_ERASURE
    while True:
        answer = session.request(_STORAGE, _CLEAR, [*reservation, *b"CLR", action], deadline=deadline)
        if answer and answer[0] & 0x0F == _ERASURE_DONE:
            return
        if deadline.expired:
            raise DeadlineExceeded("the event log was not erased in time: the BMC has begun to erase it; read it again later")
        action = _GET_ERASURE_STATUS
        time.sleep(min(_ERASURE_POLL_INTERVAL_S, deadline.remaining()))


def parse_event(record: bytes) -> dict[str, Any]:
    """Return the fields of an event record of sixteen bytes, as JSON values (tables 32-1 to 32-3)."""
    kind = record[2]
    fields: dict[str, Any] = {"id": int.from_bytes(record[:2], "little"), "record_type": kind}
    if kind == _SYSTEM_EVENT or kind in _OEM_TIMESTAMPED:
        fields["time"] = _format_time(int.from_bytes(record[3:7], "little"))
    if kind != _SYSTEM_EVENT:
        return {**fields, "data": record[3:].hex()}
    return {
        **fields,
        "generator": int.from_bytes(record[7:9], "little"),
        "sensor_type": record[10],
        "sensor": record[11],
        "asserted": not record[12] & 0x80,
        "event_type": record[12] & 0x7F,
        "event_data": record[13:16].hex(),
    }


def _format_time(seconds: int) -> str | None:
    if seconds in (0xFFFFFFFF, 0):
        return None
    if seconds < _MIN_TIMESTAMP_S:
        return f"{seconds} s after the start of the BMC"
    return datetime.fromtimestamp(seconds, UTC).isoformat()
