"""Sensor data records: the sensors of a BMC and the conversion of their readings (IPMI 2.0, chapters 33 and 43)."""

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
_HEADER_BYTES = 5
_PART_BYTES = 16
"""Bytes per request if the BMC refuses to return a record at once. Some BMCs do not even return 32 bytes."""
_LAST_RECORD = 0xFFFF
_MAX_RECORDS = 2000
_RESERVATION_LOST, _NOT_PRESENT = 0xC5, 0xCB
_NO_RESERVATION, _WHOLE_RECORD = b"\0\0", 0xFF
_MAX_PAUSE_S = 0.2
_FULL, _COMPACT = 0x01, 0x02
_THRESHOLD_READING = 0x01

_LINEARIZATIONS: Mapping[int, Callable[[float], float]] = {
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
"""Linearization code of a record (table 43-1, byte 24) -> function of the reading after its factors.

With any other code the factors depend on the reading, which is not supported.
"""

THRESHOLDS = (
    "Upper non-recoverable",
    "Upper critical",
    "Upper non-critical",
    "Lower non-recoverable",
    "Lower critical",
    "Lower non-critical",
)
"""Names of a sensor's thresholds, in the order of its record."""
_READABLE_MASKS = (0x20, 0x10, 0x08, 0x04, 0x02, 0x01)


@dataclass(frozen=True)
class SensorRecord:
    """One sensor of a controller, from its sensor data record.

    *signed* is the format of raw values: 0 for unsigned, 1 for ones' complement, 2 for two's complement. *factors* are M, B
    and the exponents of B and of the result. They are None for a sensor that has states and no reading. *unit* and
    *linearization* are codes of IPMI. *raw_thresholds* are names and raw values.
    """

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

    def convert(self, raw: int) -> float | None:
        """Return the reading in the sensor's unit for the raw byte *raw*, or None if it cannot be converted."""
        curve = _LINEARIZATIONS.get(self.linearization)
        if self.factors is None or curve is None:
            return None
        m, b, b_exponent, r_exponent = self.factors
        try:
            found = curve((m * self._interpret(raw) + b * 10.0**b_exponent) * 10.0**r_exponent)
        except (ValueError, ZeroDivisionError, OverflowError):
            return None
        return round(found, 3)

    def convert_thresholds(self) -> dict[str, float]:
        """Return the thresholds that can be converted: name -> value in the sensor's unit."""
        values = {name: self.convert(raw) for name, raw in self.raw_thresholds}
        return {name: value for name, value in values.items() if value is not None}

    def _interpret(self, raw: int) -> int:
        is_negative = bool(raw & 0x80)
        if self.signed == 1 and is_negative:
            return raw - 0xFF
        if self.signed == 2 and is_negative:
            return raw - 0x100
        return raw


def read_sensor_records(session: IPMISession, deadline: Deadline) -> tuple[SensorRecord, ...]:
    """Return the records of the sensors that belong to the session's controller.

    They are read once in a session, and again if the controller reports that its records have changed.
    """
    info = session.request(_STORAGE, _INFO, deadline=deadline)
    # The number of records, and the times of the last addition and the last erasure.
    version = info[1:3] + info[5:13]
    if session.cache is None or session.cache[0] != version:
        session.cache = (version, tuple(_parse_sensors(_read_records(session, deadline), session.address)))
    records: tuple[SensorRecord, ...] = session.cache[1]
    return records


def _read_records(session: IPMISession, deadline: Deadline) -> Iterator[bytes]:
    """Yield the raw bytes of all sensor data records.

    Raises IPMIError if the controller lists too many, because a list with a loop would never end.
    """
    repository = _Repository(session, deadline)
    number = 0
    for _ in range(_MAX_RECORDS):
        try:
            following, record = repository.read(number)
        except CommandRefused as exc:
            if exc.code == _NOT_PRESENT and number == 0:
                return
            raise
        yield record
        if following in (_LAST_RECORD, number):
            return
        number = following
    raise IPMIError(f"the BMC lists more than {_MAX_RECORDS} sensor records")


class _Repository:
    """Reader of the sensor data records of one controller. It reads each with one request if the controller supports that.

    A record that is read in parts requires a reservation. A BMC has only one for all clients (IPMI 2.0, 33.11), so that each
    client cancels the reservation of the others. A record that is read at once requires none (33.12).
    """

    def __init__(self, session: IPMISession, deadline: Deadline) -> None:
        self._session = session
        self._deadline = deadline
        self._reservation: bytes | None = None
        self._whole = True

    def read(self, number: int) -> tuple[int, bytes]:
        """Return the number of the next record, and the record *number*."""
        answer = self._read_whole(number) if self._whole else None
        if answer is None:
            answer = self._read_in_parts(number)
        return int.from_bytes(answer[:2], "little"), answer[2:]

    def _read_whole(self, number: int) -> bytes | None:
        try:
            answer = self._read_part(_NO_RESERVATION, number, 0, _WHOLE_RECORD)
        except CommandRefused as exc:
            if exc.code == _NOT_PRESENT:
                raise
            self._whole = False
            return None
        self._whole = len(answer) - 2 == _get_record_length(answer)
        return answer if self._whole else None

    def _read_in_parts(self, number: int) -> bytes:
        while True:
            try:
                return self._read_under_reservation(number)
            except CommandRefused as exc:
                if exc.code != _RESERVATION_LOST or self._deadline.expired:
                    raise
            self._reservation = None
            # Another client has taken the reservation. A random pause lets it finish, so that the two do not keep taking the
            # reservation from each other.
            time.sleep(min(random.uniform(0, _MAX_PAUSE_S), self._deadline.remaining()))

    def _read_under_reservation(self, number: int) -> bytes:
        if self._reservation is None:
            self._reservation = self._session.request(_STORAGE, _RESERVE, deadline=self._deadline)[:2]
        record = self._read_part(self._reservation, number, 0, _HEADER_BYTES)
        length = _get_record_length(record)
        # The first two bytes of each response are the number of the next record, not a part of this one.
        offset = len(record) - 2
        while offset < length:
            count = min(_PART_BYTES, length - offset)
            record += self._read_part(self._reservation, number, offset, count)[2:]
            offset = len(record) - 2
        return record

    def _read_part(self, reservation: bytes, number: int, offset: int, count: int) -> bytes:
        data = [*reservation, *number.to_bytes(2, "little"), offset, count]
        answer = self._session.request(_STORAGE, _GET, data, deadline=self._deadline)
        if len(answer) < 3:
            raise IPMIError(f"sensor record {number} is truncated")
        return answer


def _get_record_length(answer: bytes) -> int:
    """Return the length of the record in *answer*, which begins with the two-byte number of the next record.

    The fifth byte of the record's header counts the bytes after the header. A short answer counts as a header alone.
    """
    return _HEADER_BYTES + (answer[6] if len(answer) > 6 else 0)


def _parse_sensors(records: Iterator[bytes], owner: int) -> Iterator[SensorRecord]:
    for record in records:
        kind = record[3] if len(record) > 3 else 0
        # Offset of the name's type and length, followed by the name; other kinds of record are no sensors.
        at = {_FULL: 47, _COMPACT: 31}.get(kind)
        # Sensors of other controllers are read from those controllers.
        if at is None or len(record) <= at or record[5] != owner or record[6] & 0x03:
            continue
        name = record[at + 1 : at + 1 + (record[at] & 0x1F)].split(b"\0")[0].decode("latin-1").strip()
        # The data format 3 stands for a sensor without analog readings.
        is_analog = kind == _FULL and record[20] >> 6 != 3
        yield _parse_analog(record, name) if is_analog else _parse_discrete(record, name)


def _parse_discrete(record: bytes, name: str) -> SensorRecord:
    return SensorRecord(number=record[7], name=name, sensor_type=record[12], entity=(record[8], record[9] & 0x7F))


def _parse_analog(record: bytes, name: str) -> SensorRecord:
    if record[13] != _THRESHOLD_READING:
        return _parse_discrete(record, name)
    # Bytes of a full sensor record (table 43-1, which counts from 1). M and B have ten bits, the exponents four.
    m = _sign_extend(record[24] | (record[25] & 0xC0) << 2, 10)
    b = _sign_extend(record[26] | (record[27] & 0xC0) << 2, 10)
    exponents = _sign_extend(record[29] & 0x0F, 4), _sign_extend(record[29] >> 4, 4)
    limits = zip(THRESHOLDS, _READABLE_MASKS, record[36:42], strict=True)
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


def _sign_extend(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value
