"""IPMI commands of a simulated BMC that read sensor records (SDR; IPMI 2.0, chapter 33) and sensor values (chapter 35)."""

from __future__ import annotations

from baremetal_fake.ipmi.commands import Call, Code, CommandError, Table, make_reader
from baremetal_fake.ipmi.sensors import Sensor
from baremetal_fake.machine import Power

SENSOR_EVENT, STORAGE = 0x04, 0x0A
"""IPMI network functions of the sensor commands and of the storage commands."""
_LAST_RECORD = 0xFFFF
_HEADER_BYTES = 5
_BROKEN_RECORD_BYTES = 100


def commands() -> Table:
    """Return the table of the IPMI sensor commands that the simulated BMC supports."""
    return {
        (STORAGE, 0x20): make_reader("get_sensors", _get_repository_info),
        (STORAGE, 0x22): make_reader("get_sensors", _reserve),
        (STORAGE, 0x23): make_reader("get_sensors", _get_record),
        (SENSOR_EVENT, 0x2D): make_reader("get_sensors", _get_reading),
        (SENSOR_EVENT, 0x27): make_reader("get_sensors", _get_thresholds),
    }


def _get_repository_info(call: Call) -> bytes:
    """Return the answer to Get SDR Repository Info: version 1.5, the number of records, no free space, reservations supported."""
    return b"\x51" + len(call.bmc.sensors).to_bytes(2, "little") + bytes(2) + bytes(8) + b"\x02"


def _reserve(call: Call) -> bytes:
    """Make a new reservation of the repository and return its number (IPMI 2.0, 33.11). The previous reservation ends."""
    call.bmc.sensor_reservation = call.bmc.sensor_reservation % 0xFFFF + 1
    return call.bmc.sensor_reservation.to_bytes(2, "little")


def _get_record(call: Call) -> bytes:
    """Return the number of the next record and the requested bytes of a sensor record.

    Raises CommandError if the record does not exist, the reservation is old, or too many bytes are requested.
    """
    data, options = call.require(6), call.bmc.options
    number, offset, count = int.from_bytes(data[2:4], "little"), data[4], data[5]
    # Only a read from an offset above zero needs the reservation.
    if offset:
        call.bmc.check_reservation(int.from_bytes(data[:2], "little"), call.bmc.sensor_reservation)
    records = [sensor.record() for sensor in call.bmc.sensors]
    index = len(records) - 1 if number == _LAST_RECORD else number
    if options.has_broken_sensor and index == len(records):
        return _get_broken_record(index, offset, count)
    if index >= len(records):
        phantom = options.phantom_sensor_code if index == len(records) else None
        raise CommandError(Code.NOT_PRESENT if phantom is None else phantom)
    body = records[index]
    record = index.to_bytes(2, "little") + bytes((0x51, 0x01, len(body))) + body
    if offset > len(record):
        raise CommandError(Code.OUT_OF_RANGE)
    if count > options.sensor_read_bytes and not options.whole_sensor_records:
        raise CommandError(options.sensor_read_code)
    has_extra = options.has_broken_sensor or options.phantom_sensor_code is not None
    following = index + 1 if index + 1 < len(records) + has_extra else _LAST_RECORD
    return following.to_bytes(2, "little") + record[offset : offset + count]


def _get_broken_record(index: int, offset: int, count: int) -> bytes:
    """Return the header of the broken record, which refers to the first record; raise CommandError for the rest."""
    if offset + count > _HEADER_BYTES:
        raise CommandError(Code.TOO_MANY_BYTES)
    header = index.to_bytes(2, "little") + bytes((0x51, 0x00, _BROKEN_RECORD_BYTES))
    return bytes(2) + header[offset : offset + count]


def _require_sensor(call: Call) -> Sensor:
    """Return the sensor that the command names; raise CommandError (CBh) if it does not exist."""
    number = call.require(1)[0]
    for sensor in call.bmc.sensors:
        if sensor.number == number:
            return sensor
    raise CommandError(Code.NOT_PRESENT)


def _get_reading(call: Call) -> bytes:
    return _require_sensor(call).reading(call.bmc.machine.power is Power.ON)


def _get_thresholds(call: Call) -> bytes:
    """Return the mask of the readable thresholds and the threshold values: three lower ones, then three upper ones.

    The three values are non-critical, critical and non-recoverable.
    """
    sensor = _require_sensor(call)
    return bytes((sensor.threshold_mask(), 0, sensor.lower_critical or 0, 0, 0, sensor.upper_critical or 0, 0))
