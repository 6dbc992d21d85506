"""Sensor data records: which sensors there are and how their raw readings are to be understood (IPMI 2.0, chapters 33, 43)."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from baremetal_interfaces import Deadline
from baremetal_ipmi.errors import CommandRefused, IPMIError
from baremetal_ipmi.session import IPMISession

_STORAGE = 0x0A
_INFO, _RESERVE, _GET = 0x20, 0x22, 0x23
_HEADER = 5
_PART = 16
"""Bytes of a record that are asked for at a time where a whole one is refused: some BMCs do not give even thirty-two."""
_LAST = 0xFFFF
_MOST = 2000
_RESERVATION_LOST, _NOT_PRESENT = 0xC5, 0xCB
_NO_RESERVATION, _EVERYTHING = b"\0\0", 0xFF
_LONGEST_PAUSE = 0.2
_FULL, _COMPACT = 0x01, 0x02

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
        session.kept = (version, tuple(_sensors(_records(session, deadline), session.address)))
    kept: tuple[SensorRecord, ...] = session.kept[1]
    return kept


def _records(session: IPMISession, deadline: Deadline) -> Iterator[bytes]:
    """All records as they are."""
    repository = _Repository(session, deadline)
    number = 0
    for _ in range(_MOST):
        try:
            following, record = repository.read(number)
        except CommandRefused as exc:
            if exc.code == _NOT_PRESENT and number == 0:
                return
            raise
        yield record
        if following in (_LAST, number):
            return
        number = following
    raise IPMIError(f"the BMC lists more than {_MOST} sensor records")


class _Repository:
    """The records of one BMC, each read at one go where the BMC can do that.

    A record that is read in parts needs a reservation, and there is one for all who ask (IPMI 2.0, chapter 33.11):
    readers take it from each other. One that is read whole needs none (chapter 33.12).
    """

    def __init__(self, session: IPMISession, deadline: Deadline) -> None:
        self._session = session
        self._deadline = deadline
        self._reservation: bytes | None = None
        self._whole = True

    def read(self, number: int) -> tuple[int, bytes]:
        """The number of the record behind *number*, and the record."""
        answer = self._at_one_go(number) if self._whole else None
        if answer is None:
            answer = self._in_parts(number)
        return int.from_bytes(answer[:2], "little"), answer[2:]

    def _at_one_go(self, number: int) -> bytes | None:
        try:
            answer = self._part(_NO_RESERVATION, number, 0, _EVERYTHING)
        except CommandRefused as exc:
            if exc.code == _NOT_PRESENT:
                raise
            self._whole = False
            return None
        self._whole = len(answer) - 2 == _length(answer)
        return answer if self._whole else None

    def _in_parts(self, number: int) -> bytes:
        while True:
            try:
                return self._reserved(number)
            except CommandRefused as exc:
                if exc.code != _RESERVATION_LOST or self._deadline.expired:
                    raise
            self._reservation = None
            # Whoever took the reservation is let go first, and not met again at every step.
            time.sleep(min(random.uniform(0, _LONGEST_PAUSE), self._deadline.remaining()))

    def _reserved(self, number: int) -> bytes:
        if self._reservation is None:
            self._reservation = self._session.request(_STORAGE, _RESERVE, deadline=self._deadline)[:2]
        record = self._part(self._reservation, number, 0, _HEADER)
        whole = _length(record)
        while (have := len(record) - 2) < whole:
            record += self._part(self._reservation, number, have, min(_PART, whole - have))[2:]
        return record

    def _part(self, reservation: bytes, number: int, offset: int, count: int) -> bytes:
        data = [*reservation, *number.to_bytes(2, "little"), offset, count]
        answer = self._session.request(_STORAGE, _GET, data, deadline=self._deadline)
        if len(answer) < 3:
            raise IPMIError(f"sensor record {number} is cut off")
        return answer


def _length(answer: bytes) -> int:
    """The length of the record that *answer* begins: its fifth byte counts what comes after it."""
    return _HEADER + (answer[6] if len(answer) > 6 else 0)


def _sensors(records: Iterator[bytes], owner: int) -> Iterator[SensorRecord]:
    for record in records:
        kind = record[3] if len(record) > 3 else 0
        at = {_FULL: 47, _COMPACT: 31}.get(kind)
        # Sensors of other controllers are theirs to tell.
        if at is None or len(record) <= at or record[5] != owner or record[6] & 0x03:
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
