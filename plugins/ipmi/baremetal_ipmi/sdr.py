"""Sensor data records: the sensors of a BMC and the conversion of their readings (IPMI 2.0, chapters 33 and 43)."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from baremetal_interfaces import Deadline
from baremetal_ipmi.errors import CommandRefused, IPMIError
from baremetal_ipmi.records import NOT_PRESENT, STORAGE, RecordReader, RecordUnreadable, Repository
from baremetal_ipmi.session import IPMISession

_LOG = logging.getLogger(__name__)

_INFO = 0x20
_HEADER_BYTES = 5
_LAST_RECORD = 0xFFFF
_MAX_RECORDS = 2000
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
    *linearization* are codes of IPMI. *raw_thresholds* are names and raw values. A sensor without thresholds has states.
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
    has_thresholds: bool = True

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
    info = session.request(STORAGE, _INFO, deadline=deadline)
    # The number of records, and the times of the last addition and the last erasure.
    version = info[1:3] + info[5:13]
    if session.cache is None or session.cache[0] != version:
        count = int.from_bytes(info[1:3], "little")
        session.cache = (version, tuple(_parse_sensors(_read_records(session, count, deadline), session.address)))
    records: tuple[SensorRecord, ...] = session.cache[1]
    return records


def _read_records(session: IPMISession, count: int, deadline: Deadline) -> Iterator[bytes]:
    """Yield the raw bytes of all sensor data records. *count* is their number as the BMC reports it.

    A record whose rest the BMC refuses is skipped, and a reference to an earlier record ends the list: some BMCs return such
    records (https://github.com/ipmitool/ipmitool/pull/197). Other BMCs refer to a record after the last one
    (https://github.com/chu11/freeipmi-mirror/issues/29). Raises IPMIError if the BMC lists too many records, and
    RecordUnreadable if it refuses all.
    """
    reader = RecordReader(session, _REPOSITORY, deadline)
    requested: set[int] = set()
    number, unreadable, has_read = 0, None, False
    while number not in requested and number != _LAST_RECORD:
        if len(requested) >= _MAX_RECORDS:
            raise IPMIError(f"the BMC lists more than {_MAX_RECORDS} sensor records")
        requested.add(number)
        try:
            number, record = reader.read(number)
        except RecordUnreadable as exc:
            _LOG.info("skipped a sensor: %s", exc)
            number, unreadable = exc.following, exc
        except CommandRefused as exc:
            if exc.code == NOT_PRESENT or len(requested) > count > 0:
                break
            raise
        else:
            has_read = True
            yield record
    if unreadable is not None and not has_read:
        raise unreadable


def _get_record_length(record: bytes) -> int:
    """Return the length of *record*, whose fifth byte counts the bytes after the header. Fewer bytes count as a header alone."""
    return _HEADER_BYTES + (record[4] if len(record) >= _HEADER_BYTES else 0)


_REPOSITORY = Repository(
    "sensor repository", "sensor record", 0x22, 0x23, header_bytes=_HEADER_BYTES, get_length=_get_record_length
)


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
    # Bytes of a full sensor record (table 43-1, which counts from 1). M and B have ten bits, the exponents four.
    m = _sign_extend(record[24] | (record[25] & 0xC0) << 2, 10)
    b = _sign_extend(record[26] | (record[27] & 0xC0) << 2, 10)
    exponents = _sign_extend(record[29] & 0x0F, 4), _sign_extend(record[29] >> 4, 4)
    # Some sensors have a reading, and states instead of thresholds.
    has_thresholds = record[13] == _THRESHOLD_READING
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
        raw_thresholds=tuple((limit, raw) for limit, mask, raw in limits if has_thresholds and record[18] & mask),
        has_thresholds=has_thresholds,
    )


def _sign_extend(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value
