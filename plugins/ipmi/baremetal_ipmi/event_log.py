"""Reading and erasing of a BMC's system event log (SEL; IPMI 2.0, chapters 31 and 32)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from baremetal_interfaces import Deadline, DeadlineExceeded
from baremetal_ipmi.errors import CommandRefused, IPMIError
from baremetal_ipmi.records import (
    NOT_PRESENT,
    RecordReader,
    Repository,
    ReservationLost,
    request_reserved,
    reserve,
    wait_for_reservation,
)
from baremetal_ipmi.session import IPMISession

_RECORD_BYTES = 16
_LOG = Repository("event log", "entry", 0x42, 0x43, header_bytes=_RECORD_BYTES, get_length=lambda record: _RECORD_BYTES)
_CLEAR = 0x47
_FIRST_ENTRY, _LAST_ENTRY = 0x0000, 0xFFFF
_START_ERASURE, _GET_ERASURE_STATUS = 0xAA, 0x00
_ERASURE_DONE = 0x01
_SYSTEM_EVENT = 0x02
_OEM_TIMESTAMPED = range(0xC0, 0xE0)
_MIN_TIMESTAMP_S = 0x20000000
"""Lower timestamps are seconds since the start of the BMC, before its clock was set (IPMI 2.0, chapter 37)."""
_ERASURE_POLL_INTERVAL_S = 0.2


def read_events(session: IPMISession, limit: int, deadline: Deadline) -> list[dict[str, Any]]:
    """Return the *limit* oldest events of the log, oldest first, in the form of :func:`parse_event`.

    Some BMCs number an entry 0000h after their numbers have wrapped, and end the log with a reference to an entry that was
    read before. The log also ends at an entry that was erased in the meantime.
    """
    reader = RecordReader(session, _LOG, deadline)
    records: list[bytes] = []
    requested: set[int] = set()
    number = _FIRST_ENTRY
    while len(records) < limit and number != _LAST_ENTRY and number not in requested:
        requested.add(number)
        try:
            following, record = reader.read(number)
        except CommandRefused as exc:
            if exc.code == NOT_PRESENT:
                break
            raise
        # The first entry is requested as 0000h and has another number of its own, to which the last entry may refer.
        if records and record == records[0] and number == int.from_bytes(record[:2], "little"):
            break
        records.append(record)
        number = following
    return [parse_event(record) for record in records]


def clear_events(session: IPMISession, deadline: Deadline) -> None:
    """Erase the log, and wait until the BMC reports that the erasure is complete.

    Raises DeadlineExceeded if the erasure is not complete by *deadline*. The BMC may still complete it. Raises BMCFull if the
    BMC keeps cancelling the reservation.
    """
    reservation = reserve(session, _LOG, deadline)
    action, lost = _START_ERASURE, 0
    while True:
        try:
            answer = request_reserved(session, _CLEAR, reservation + b"CLR" + bytes((action,)), deadline)
        except ReservationLost:
            lost += 1
            wait_for_reservation(_LOG, lost, deadline)
            reservation = reserve(session, _LOG, deadline)
            continue
        if answer and answer[0] & 0x0F == _ERASURE_DONE:
            return
        if deadline.expired:
            raise DeadlineExceeded("the event log was not erased in time: the BMC has begun to erase it; read it again later")
        action = _GET_ERASURE_STATUS
        time.sleep(min(_ERASURE_POLL_INTERVAL_S, deadline.remaining()))


def parse_event(record: bytes) -> dict[str, Any]:
    """Return the fields of an event record of sixteen bytes, as JSON values (tables 32-1 to 32-3)."""
    if len(record) < _RECORD_BYTES:
        raise IPMIError(f"an event record has {len(record)} bytes, and {_RECORD_BYTES} are required")
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
