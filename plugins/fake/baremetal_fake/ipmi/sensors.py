"""The sensors of a BMC: their records (SDR; IPMI 2.0, chapters 33, 43) and their readings (35)."""

from __future__ import annotations

from dataclasses import dataclass

from baremetal_fake.ipmi.commands import Call, Code, Refused, Table, reading
from baremetal_fake.machine import Power

SENSOR_EVENT, STORAGE = 0x04, 0x0A
_LAST = 0xFFFF
_PART = 0x20
_UNAVAILABLE = 0x20
_SCANNED = 0xC0


@dataclass(frozen=True)
class Sensor:
    """One analogue sensor. A reading is ``raw * multiplier * 10 ** exponent`` in its unit; *needs_power* says that it
    has no reading while the machine is off."""

    number: int
    name: str
    sensor_type: int
    unit: int
    raw: int
    multiplier: int = 1
    exponent: int = 0
    upper_critical: int | None = None
    lower_critical: int | None = None
    needs_power: bool = False

    def record(self) -> bytes:
        """Its full record (SDR type 1, table 43-1), without the header's record number."""
        masks = (0x10 if self.upper_critical is not None else 0) | (0x02 if self.lower_critical is not None else 0)
        name = self.name.encode("ascii")[:16]
        thresholds = (0, self.upper_critical or 0, 0, 0, self.lower_critical or 0, 0)
        body = bytes((0x20, 0x00, self.number, 0x07, 0x01, 0x7F, 0x68, self.sensor_type, 0x01))
        body += bytes(4) + masks.to_bytes(2, "little") + bytes((0x00, self.unit, 0x00, 0x00))
        body += bytes((self.multiplier & 0xFF, self.multiplier >> 2 & 0xC0, 0x00, 0x00, 0x00, (self.exponent & 0x0F) << 4))
        body += bytes((0x00, 0x00, 0x00, 0x00, 0xFF, 0x00, *thresholds)) + bytes(5)
        return body + bytes((0xC0 | len(name),)) + name

    def reading(self, on: bool) -> bytes:
        """Its present reading, and which thresholds it is past (35.14)."""
        if self.needs_power and not on:
            return bytes((0x00, _SCANNED | _UNAVAILABLE, 0xC0))
        past = 0
        if self.upper_critical is not None and self.raw >= self.upper_critical:
            past |= 0x10
        if self.lower_critical is not None and self.raw <= self.lower_critical:
            past |= 0x02
        return bytes((self.raw, _SCANNED, 0xC0 | past))


SENSORS = (
    Sensor(1, "Inlet Temp", 0x01, 0x01, raw=24, upper_critical=47),
    Sensor(2, "CPU Temp", 0x01, 0x01, raw=52, upper_critical=95, needs_power=True),
    Sensor(3, "Fan 1", 0x04, 0x12, raw=70, multiplier=120, lower_critical=5, needs_power=True),
    Sensor(4, "12V", 0x02, 0x04, raw=201, multiplier=6, exponent=-2, lower_critical=180, needs_power=True),
    Sensor(5, "Pwr Consumption", 0x0B, 0x06, raw=42, multiplier=5, needs_power=True),
)
"""What a simulated machine has: degrees Celsius, revolutions, volts and watts."""


def commands() -> Table:
    """The commands of this module."""
    return {
        (STORAGE, 0x20): reading("get_sensors", _repository),
        (STORAGE, 0x22): reading("get_sensors", _reserve),
        (STORAGE, 0x23): reading("get_sensors", _record),
        (SENSOR_EVENT, 0x2D): reading("get_sensors", _reading),
        (SENSOR_EVENT, 0x27): reading("get_sensors", _thresholds),
    }


def _repository(call: Call) -> bytes:
    """Version 1.5, how many, no room, and that it can be reserved."""
    return b"\x51" + len(call.bmc.sensors).to_bytes(2, "little") + bytes(2) + bytes(8) + b"\x02"


def _reserve(call: Call) -> bytes:
    """One reservation at a time: a new one ends that of whoever had it before (33.11)."""
    call.bmc.sensor_reservation = call.bmc.sensor_reservation % _LAST + 1
    return call.bmc.sensor_reservation.to_bytes(2, "little")


def _record(call: Call) -> bytes:
    data = call.need(6)
    if data[4] and int.from_bytes(data[:2], "little") != call.bmc.sensor_reservation:
        raise Refused(Code.RESERVATION_LOST)
    number, offset, count = int.from_bytes(data[2:4], "little"), data[4], data[5]
    sensors = call.bmc.sensors
    at = len(sensors) - 1 if number == _LAST else number
    if at >= len(sensors):
        raise Refused(Code.NOT_PRESENT)
    body = sensors[at].record()
    whole = at.to_bytes(2, "little") + bytes((0x51, 0x01, len(body))) + body
    if offset > len(whole):
        raise Refused(Code.OUT_OF_RANGE)
    if count > _PART and not call.bmc.options.whole_sensor_records:
        raise Refused(Code.TOO_MANY_BYTES)
    following = at + 1 if at + 1 < len(sensors) else _LAST
    return following.to_bytes(2, "little") + whole[offset : offset + count]


def _sensor(call: Call) -> Sensor:
    number = call.need(1)[0]
    for sensor in call.bmc.sensors:
        if sensor.number == number:
            return sensor
    raise Refused(Code.NOT_PRESENT)


def _reading(call: Call) -> bytes:
    return _sensor(call).reading(call.bmc.machine.power is Power.ON)


def _thresholds(call: Call) -> bytes:
    """Which are readable and what they are: lower (non-critical, critical, not recoverable), then upper."""
    sensor = _sensor(call)
    mask = (0x02 if sensor.lower_critical is not None else 0) | (0x10 if sensor.upper_critical is not None else 0)
    return bytes((mask, 0, sensor.lower_critical or 0, 0, 0, sensor.upper_critical or 0, 0))
