"""The sensors of a system's chassis, in the shape that clients of the Bare Metal API read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_redfish.inventory import known
from baremetal_redfish.links import below, follow, listed, members, path_of
from baremetal_redfish.neighbours import chassis_of
from baremetal_redfish.session import RedfishSession

Sensors = dict[str, dict[str, dict[str, Any]]]

_THRESHOLDS = {
    "upper_threshold_critical": "UpperThresholdCritical",
    "upper_threshold_fatal": "UpperThresholdFatal",
    "lower_threshold_critical": "LowerThresholdCritical",
    "lower_threshold_fatal": "LowerThresholdFatal",
}
_TYPES = {"Temperature": "Temperature", "Rotational": "Fan", "Power": "Power", "Voltage": "Voltage", "Current": "Current"}


def read_sensors(session: RedfishSession, system: Mapping[str, Any]) -> Sensors:
    """The readings of all chassis of *system*: sensor type -> sensor name -> reading."""
    found: Sensors = {}
    for chassis in chassis_of(session, system):
        thermal, power = follow(session, chassis.get("Thermal")), follow(session, chassis.get("Power"))
        if thermal is None and power is None:
            # Services of newer versions of the schema have one collection of all sensors in their place.
            _add_all(found, session, chassis)
        _add_thermal(found, thermal)
        _add_power(found, power)
    return found


def _add(found: Sensors, kind: str, document: Mapping[str, Any], **reading: Any) -> None:
    if below(document, "Status", "State") == "Absent":
        return
    identity = document.get("MemberId") or document.get("Id")
    name = document.get("Name") or document.get("FanName") or identity or path_of(document) or "unnamed"
    status = document.get("Status") if isinstance(document.get("Status"), dict) else {}
    where = document.get("PhysicalContext")
    said = known(identity=identity, health=below(status, "Health"), state=below(status, "State"), physical_context=where)
    limits = {ours: document[theirs] for ours, theirs in _THRESHOLDS.items() if document.get(theirs) is not None}
    own = found.setdefault(kind, {})
    # Names are for people, and some services use one for several sensors.
    own[str(name) if str(name) not in own else f"{name}@{path_of(document) or identity}"] = {**said, **known(**reading), **limits}


def _add_thermal(found: Sensors, thermal: Any) -> None:
    for one in listed(below(thermal, "Temperatures")):
        _add(found, "Temperature", one, reading_celsius=one.get("ReadingCelsius"), sensor_number=one.get("SensorNumber"))
    for one in listed(below(thermal, "Fans")):
        _add(found, "Fan", one, reading=one.get("Reading"), reading_units=one.get("ReadingUnits") or one.get("Units"))


def _add_power(found: Sensors, power: Any) -> None:
    for one in listed(below(power, "PowerSupplies")):
        output = one.get("LastPowerOutputWatts")
        capacity, voltage = one.get("PowerCapacityWatts"), one.get("LineInputVoltage")
        _add(found, "Power", one, last_power_output_watts=output, power_capacity_watts=capacity, line_input_voltage=voltage)
    for one in listed(below(power, "Voltages")):
        _add(found, "Voltage", one, reading_volts=one.get("ReadingVolts"))


def _add_all(found: Sensors, session: RedfishSession, chassis: Mapping[str, Any]) -> None:
    for one in members(session, chassis.get("Sensors")):
        kind = _TYPES.get(str(one.get("ReadingType")), str(one.get("ReadingType") or "Other"))
        _add(found, kind, one, reading=one.get("Reading"), reading_units=one.get("ReadingUnits"))
