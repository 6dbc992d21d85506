"""Reading of a machine's sensors, in the format that clients of the Bare Metal API expect from IPMI nodes."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import Deadline
from baremetal_ipmi.errors import CommandRefused
from baremetal_ipmi.sdr import SensorRecord, read_sensor_records
from baremetal_ipmi.session import IPMISession

_SENSOR_EVENT, _GET_READING = 0x04, 0x2D
_SCANNING, _UNAVAILABLE = 0x40, 0x20

_TYPES = {
    0x01: "Temperature",
    0x02: "Voltage",
    0x03: "Current",
    0x04: "Fan",
    0x05: "Physical Security",
    0x07: "Processor",
    0x08: "Power Supply",
    0x09: "Power Unit",
    0x0A: "Cooling Device",
    0x0B: "Other",
    0x0C: "Memory",
    0x0D: "Drive Slot",
    0x0F: "System Firmware",
    0x10: "Event Logging",
    0x12: "System Event",
    0x13: "Critical Interrupt",
    0x14: "Button",
    0x22: "ACPI State",
    0x23: "Watchdog",
    0x28: "Management Subsystem",
    0x29: "Battery",
}
"""Sensor types (table 42-3)."""

_UNITS = {
    0x01: "degrees C",
    0x02: "degrees F",
    0x03: "K",
    0x04: "Volts",
    0x05: "Amps",
    0x06: "Watts",
    0x07: "Joules",
    0x12: "RPM",
}
"""Units (table 43-15)."""

_THRESHOLD_STATUSES = ((0x24, "nr"), (0x12, "cr"), (0x09, "nc"))
"""Bits of the exceeded thresholds in a reading, and the status for them, worst first."""


def read_sensors(session: IPMISession, deadline: Deadline) -> dict[str, dict[str, dict[str, Any]]]:
    """Read all sensors of the session's controller: sensor type -> sensor name -> reading.

    A sensor is omitted if the controller refuses to read it.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for record in read_sensor_records(session, deadline):
        try:
            answer = session.request(_SENSOR_EVENT, _GET_READING, [record.number], deadline=deadline)
        except CommandRefused:
            continue
        label = f"{record.name} ({record.number:#x})"
        found.setdefault(_get_type_name(record), {})[label] = {
            "Sensor ID": label,
            "Entity ID": f"{record.entity[0]}.{record.entity[1]}",
            "Sensor Type": f"{_get_type_name(record)} ({record.sensor_type:#04x})",
            **_format_reading(record, answer),
            **{name: f"{value:.3f}" for name, value in record.convert_thresholds().items()},
        }
    return found


def _get_type_name(record: SensorRecord) -> str:
    return _TYPES.get(record.sensor_type, "OEM" if record.sensor_type >= 0xC0 else "Other")


def _format_reading(record: SensorRecord, answer: bytes) -> dict[str, str]:
    if len(answer) < 2 or not answer[1] & _SCANNING or answer[1] & _UNAVAILABLE:
        return {"Sensor Reading": "No Reading", "Status": "ns"}
    state = answer[2] if len(answer) > 2 else 0
    if record.factors is None:
        states = int.from_bytes(answer[2:4], "little") & 0x7FFF
        return {"Sensor Reading": f"{answer[0]:#x}", "States Asserted": f"{states:#06x}", "Status": "ok"}
    value = record.convert(answer[0])
    unit = "percent" if record.percent else _UNITS.get(record.unit, f"unit {record.unit}")
    exceeded = state & 0x3F if record.has_thresholds else 0
    status = next((word for mask, word in _THRESHOLD_STATUSES if exceeded & mask), "ok")
    reading = "No Reading" if value is None else f"{value:g} {unit}"
    return {"Sensor Reading": reading, "Status": status}
