"""Sensors of a simulated IPMI BMC: their records (SDR; IPMI 2.0, chapter 43) and readings (chapter 35)."""

from __future__ import annotations

from dataclasses import dataclass

_UPPER_CRITICAL, _LOWER_CRITICAL = 0x10, 0x02
"""Bits of the critical thresholds: in threshold masks, and in the comparison status of a reading."""
_SCANNING_ENABLED = 0xC0
_READING_UNAVAILABLE = 0x20
_RESERVED_BITS = 0xC0
_PERCENT, _NOT_ANALOG = 0x01, 0xC0
"""Bits of the first unit byte in a record: the reading is a percentage, and there is no analog reading."""
_THRESHOLDS = 0x01
_FIRST_STATE, _NO_MORE_STATES = 0x01, 0x80
_MAX_NAME_BYTES = 16


@dataclass(frozen=True)
class Sensor:
    """A sensor of a simulated machine. Its constant value is ``raw * multiplier * 10 ** exponent``.

    *sensor_type* and *unit* are IPMI codes. The critical thresholds are raw values.
    """

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
    """Whether the sensor has no reading while the machine is off."""
    percent: bool = False
    event_type: int = 0x01
    """Code of the event or reading type. Other values than 1 stand for a sensor with states instead of thresholds."""
    is_analog: bool = True
    """Whether the sensor has a reading. If false, it has states only."""
    is_disabled: bool = False
    """Whether the sensor never has a reading."""

    def record(self) -> bytes:
        """Return the body of the full sensor record (SDR type 01h, table 43-1), without the header."""
        name = self.name.encode("ascii")[:_MAX_NAME_BYTES]
        thresholds = (0, self.upper_critical or 0, 0, 0, self.lower_critical or 0, 0)
        body = bytes((0x20, 0x00, self.number, 0x07, 0x01, 0x7F, 0x68, self.sensor_type, self.event_type))
        format_byte = (_PERCENT if self.percent else 0) | (0 if self.is_analog else _NOT_ANALOG)
        body += bytes(4) + self.threshold_mask().to_bytes(2, "little") + bytes((format_byte, self.unit, 0x00, 0x00))
        body += bytes((self.multiplier & 0xFF, self.multiplier >> 2 & 0xC0, 0x00, 0x00, 0x00, (self.exponent & 0x0F) << 4))
        body += bytes((0x00, 0x00, 0x00, 0x00, 0xFF, 0x00, *thresholds)) + bytes(5)
        return body + bytes((0xC0 | len(name),)) + name

    def threshold_mask(self) -> int:
        """Return the IPMI mask of the critical thresholds that the sensor has."""
        upper = _UPPER_CRITICAL if self.upper_critical is not None else 0
        lower = _LOWER_CRITICAL if self.lower_critical is not None else 0
        return upper | lower

    def reading(self, power_is_on: bool) -> bytes:
        """Return the answer to Get Sensor Reading (IPMI 2.0, 35.14): the raw value, and the thresholds that the value reaches.

        If the sensor needs power and *power_is_on* is false, the answer says that no reading is available.
        """
        if self.is_disabled or (self.needs_power and not power_is_on):
            return bytes((0x00, _SCANNING_ENABLED | _READING_UNAVAILABLE, _RESERVED_BITS))
        if self.event_type != _THRESHOLDS:
            return bytes((self.raw, _SCANNING_ENABLED, _FIRST_STATE, _NO_MORE_STATES))
        crossed = 0
        if self.upper_critical is not None and self.raw >= self.upper_critical:
            crossed |= _UPPER_CRITICAL
        if self.lower_critical is not None and self.raw <= self.lower_critical:
            crossed |= _LOWER_CRITICAL
        return bytes((self.raw, _SCANNING_ENABLED, _RESERVED_BITS | crossed))


SENSORS = (
    Sensor(1, "Inlet Temp", 0x01, 0x01, raw=24, upper_critical=47),
    Sensor(2, "CPU Temp", 0x01, 0x01, raw=52, upper_critical=95, needs_power=True),
    Sensor(3, "Fan 1", 0x04, 0x12, raw=70, multiplier=120, lower_critical=5, needs_power=True),
    Sensor(4, "12V", 0x02, 0x04, raw=201, multiplier=6, exponent=-2, lower_critical=180, needs_power=True),
    Sensor(5, "Pwr Consumption", 0x0B, 0x06, raw=42, multiplier=5, needs_power=True),
)
"""Default sensors of a simulated machine: temperatures in degrees Celsius, a fan in RPM, a voltage in volts, power in watts."""
