"""Sensor data records: which sensors there are and how their raw readings are to be understood (IPMI 2.0, chapters 33, 43)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from baremetal_interfaces import Deadline
from baremetal_ipmi.errors import CommandRefused, IPMIError
from baremetal_ipmi.session import IPMISession

_STORAGE = 0x0A
_INFO, _RESERVE, _GET = 0x20, 0x22, 0x23
_HEADER = 5
_PART = 16
"""Bytes of a record that are asked for at a time: few BMCs give a whole one, and some not even thirty-two."""
_LAST = 0xFFFF
_MOST = 2000
_RESERVATION_LOST, _NOT_PRESENT = 0xC5, 0xCB
_ATTEMPTS = 3
_FULL, _COMPACT = 0x01, 0x02
_BMC = 0x20

_LINEAR: Mapping[int, Callable[[float], float]] = {
    0: lambda value: value,
    1: math.log,
    2: math.log10,
    3: math.log2,
    4: math.exp,
    5: lambda value: 10.0**value,
    6: lambda value: 2.0**value,
    7: lambda value: 1.0 / value,
    8: lambda value: value**2,
    9: lambda value: value**3,
    10: math.sqrt,
    11: math.cbrt,
}
"""What a reading goes through at last (table 43-1, byte 24); other numbers mean that the factors depend on the reading."""

THRESHOLDS = (
    "Upper non-recoverable",
    "Upper critical",
    "Upper non-critical",
    "Lower non-recoverable",
    "Lower critical",
    "Lower non-critical",
)
"""The limits of a sensor, in the order of its record."""
_READABLE = (0x20, 0x10, 0x08, 0x04, 0x02, 0x01)


@dataclass(frozen=True)
class SensorRecord:
    """One sensor of the BMC itself. *factors* are M, B and the two exponents, or None for a sensor that only has states."""

    number: int
    name: str
    sensor_type: int
    entity: tuple[int, int]
    unit: int = 0
    percent: bool = False
    signed: int = 0
    linearization: int = 0
    factors: tuple[int, int, int, int] | None = None
    raw_thresholds: tuple[tuple[str, int], ...] = ()

    def value(self, raw: int) -> float | None:
        """The reading that *raw* stands for; None where it stands for none."""
        curve = _LINEAR.get(self.linearization)
        if self.factors is None or curve is None:
            return None
        m, b, b_exponent, r_exponent = self.factors
        try:
            found = curve((m * self._integer(raw) + b * 10.0**b_exponent) * 10.0**r_exponent)
        except (ValueError, ZeroDivisionError, OverflowError):
            return None
        return round(found, 3)

    def thresholds(self) -> dict[str, float]:
        """The limits that the record tells."""
        values = {name: self.value(raw) for name, raw in self.raw_thresholds}
        return {name: value for name, value in values.items() if value is not None}

    def _integer(self, raw: int) -> int:
        if self.signed == 1 and raw & 0x80:
            return raw - 0xFF
        return raw - 0x100 if self.signed == 2 and raw & 0x80 else raw


def sensor_records(session: IPMISession, deadline: Deadline) -> tuple[SensorRecord, ...]:
    """The sensors of the BMC. They are read once in a session, and again when the BMC says that they have changed."""
    info = session.request(_STORAGE, _INFO, deadline=deadline)
    # Count and the times of the last addition and of the last erasure.
    version = info[1:3] + info[5:13]
    if session.kept is None or session.kept[0] != version:
        session.kept = (version, tuple(_sensors(_records(session, deadline))))
    kept: tuple[SensorRecord, ...] = session.kept[1]
    return kept


def _records(session: IPMISession, deadline: Deadline) -> Iterator[bytes]:
    """All records as they are."""
    reservation = session.request(_STORAGE, _RESERVE, deadline=deadline)
    number = 0
    for _ in range(_MOST):
        for attempt in range(_ATTEMPTS):
            try:
                following, record = _record(session, reservation, number, deadline)
                break
            except CommandRefused as exc:
                if exc.code == _NOT_PRESENT and number == 0:
                    return
                if exc.code != _RESERVATION_LOST or attempt == _ATTEMPTS - 1:
                    raise
                # Somebody else reserved the repository in between.
                reservation = session.request(_STORAGE, _RESERVE, deadline=deadline)
        yield record
        if following in (_LAST, number):
            return
        number = following
    raise IPMIError(f"the BMC lists more than {_MOST} sensor records")


def _record(session: IPMISession, reservation: bytes, number: int, deadline: Deadline) -> tuple[int, bytes]:
    def part(offset: int, count: int) -> bytes:
        data = [*reservation[:2], *number.to_bytes(2, "little"), offset, count]
        answer = session.request(_STORAGE, _GET, data, deadline=deadline)
        if len(answer) < 3:
            raise IPMIError(f"sensor record {number} is cut off")
        return answer

    head = part(0, _HEADER)
    record, whole = head[2:], _HEADER + (head[6] if len(head) > 6 else 0)
    while len(record) < whole:
        record += part(len(record), min(_PART, whole - len(record)))[2:]
    return int.from_bytes(head[:2], "little"), record


def _sensors(records: Iterator[bytes]) -> Iterator[SensorRecord]:
    for record in records:
        kind = record[3] if len(record) > 3 else 0
        at = {_FULL: 47, _COMPACT: 31}.get(kind)
        # Sensors of other controllers would have to be asked for over a bridge.
        if at is None or len(record) <= at or record[5] != _BMC or record[6] & 0x03:
            continue
        name = record[at + 1 : at + 1 + (record[at] & 0x1F)].split(b"\0")[0].decode("latin-1").strip()
        yield _analogue(record, name) if kind == _FULL and record[20] >> 6 != 3 else _discrete(record, name)


def _discrete(record: bytes, name: str) -> SensorRecord:
    return SensorRecord(record[7], name, record[12], (record[8], record[9] & 0x7F))


def _analogue(record: bytes, name: str) -> SensorRecord:
    if record[13] != 0x01:
        return _discrete(record, name)
    m = _signed(record[24] | (record[25] & 0xC0) << 2, 10)
    b = _signed(record[26] | (record[27] & 0xC0) << 2, 10)
    exponents = _signed(record[29] & 0x0F, 4), _signed(record[29] >> 4, 4)
    limits = zip(THRESHOLDS, _READABLE, record[36:42], strict=True)
    return SensorRecord(
        number=record[7],
        name=name,
        sensor_type=record[12],
        entity=(record[8], record[9] & 0x7F),
        unit=record[21],
        percent=bool(record[20] & 0x01),
        signed=record[20] >> 6,
        linearization=record[23] & 0x7F,
        factors=(m, b, *exponents),
        raw_thresholds=tuple((limit, raw) for limit, mask, raw in limits if record[18] & mask),
    )


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value
