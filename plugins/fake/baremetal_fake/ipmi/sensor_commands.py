"""IPMI commands of a simulated BMC that read sensor records (SDR; IPMI 2.0, chapter 33) and sensor values (chapter 35)."""

from __future__ import annotations

from baremetal_fake.ipmi.commands import Call, Code, CommandError, Table, make_reader
from baremetal_fake.ipmi.sensors import Sensor
from baremetal_fake.machine import Power

SENSOR_EVENT, STORAGE = 0x04, 0x0A
"""IPMI network functions of the sensor commands and of the storage commands."""
_LAST_RECORD = 0xFFFF
_MAX_READ_BYTES = 0x20
"""Maximum bytes of a record that one request may read, unless the option ``whole_sensor_records`` is set."""


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
    data = call.require(6)
    number, offset, count = int.from_bytes(data[2:4], "little"), data[4], data[5]
    # Only a read from an offset above zero needs the reservation.
    if offset and int.from_bytes(data[:2], "little") != call.bmc.sensor_reservation:
        raise CommandError(Code.RESERVATION_LOST)
    sensors = call.bmc.sensors
    index = len(sensors) - 1 if number == _LAST_RECORD else number
    if index >= len(sensors):
        raise CommandError(Code.NOT_PRESENT)
    body = sensors[index].record()
    record = index.to_bytes(2, "little") + bytes((0x51, 0x01, len(body))) + body
    if offset > len(record):
        raise CommandError(Code.OUT_OF_RANGE)
    if count > _MAX_READ_BYTES and not call.bmc.options.whole_sensor_records:
        raise CommandError(Code.TOO_MANY_BYTES)
    following = index + 1 if index + 1 < len(sensors) else _LAST_RECORD
    return following.to_bytes(2, "little") + record[offset : offset + count]


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
