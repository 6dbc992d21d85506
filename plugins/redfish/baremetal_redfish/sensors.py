"""Reading of the sensors of a system's chassis, with results in the format of the Bare Metal API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_redfish.links import follow, get_nested, get_objects, get_path, iterate_members
from baremetal_redfish.related_resources import find_chassis
from baremetal_redfish.session import RedfishSession
from baremetal_redfish.values import drop_none

Sensors = dict[str, dict[str, dict[str, Any]]]

_THRESHOLDS = {
    "upper_threshold_critical": "UpperThresholdCritical",
    "upper_threshold_fatal": "UpperThresholdFatal",
    "lower_threshold_critical": "LowerThresholdCritical",
    "lower_threshold_fatal": "LowerThresholdFatal",
}
_SENSOR_TYPES = {"Temperature": "Temperature", "Rotational": "Fan", "Power": "Power", "Voltage": "Voltage", "Current": "Current"}


def read_sensors(session: RedfishSession, system: Mapping[str, Any]) -> Sensors:
    """Return the readings of all chassis of *system*: sensor type -> sensor name -> reading."""
    found: Sensors = {}
    for chassis in find_chassis(session, system):
        thermal, power = follow(session, chassis.get("Thermal")), follow(session, chassis.get("Power"))
        if thermal is None and power is None:
            # Newer versions of the schema have one collection of all sensors in place of Thermal and Power.
            _add_sensor_collection(found, session, chassis)
        _add_thermal(found, thermal)
        _add_power(found, power)
    return found


def _add_sensor(found: Sensors, kind: str, document: Mapping[str, Any], **reading: Any) -> None:
    if get_nested(document, "Status", "State") == "Absent":
        return
    identity = document.get("MemberId") or document.get("Id")
    name = document.get("Name") or document.get("FanName") or identity or get_path(document) or "unnamed"
    status = document.get("Status") if isinstance(document.get("Status"), dict) else {}
    where = document.get("PhysicalContext")
    common = drop_none(
        identity=identity, health=get_nested(status, "Health"), state=get_nested(status, "State"), physical_context=where
    )
    limits = {ours: document[theirs] for ours, theirs in _THRESHOLDS.items() if document.get(theirs) is not None}
    own = found.setdefault(kind, {})
    # Names are not unique: some services use one name for several sensors.
    label = str(name) if str(name) not in own else f"{name}@{get_path(document) or identity}"
    own[label] = {**common, **drop_none(**reading), **limits}


def _add_thermal(found: Sensors, thermal: Any) -> None:
    for sensor in get_objects(get_nested(thermal, "Temperatures")):
        celsius, number = sensor.get("ReadingCelsius"), sensor.get("SensorNumber")
        _add_sensor(found, "Temperature", sensor, reading_celsius=celsius, sensor_number=number)
    for sensor in get_objects(get_nested(thermal, "Fans")):
        units = sensor.get("ReadingUnits") or sensor.get("Units")
        _add_sensor(found, "Fan", sensor, reading=sensor.get("Reading"), reading_units=units)


def _add_power(found: Sensors, power: Any) -> None:
    for supply in get_objects(get_nested(power, "PowerSupplies")):
        _add_sensor(
            found,
            "Power",
            supply,
            last_power_output_watts=supply.get("LastPowerOutputWatts"),
            power_capacity_watts=supply.get("PowerCapacityWatts"),
            line_input_voltage=supply.get("LineInputVoltage"),
        )
    for sensor in get_objects(get_nested(power, "Voltages")):
        _add_sensor(found, "Voltage", sensor, reading_volts=sensor.get("ReadingVolts"))


def _add_sensor_collection(found: Sensors, session: RedfishSession, chassis: Mapping[str, Any]) -> None:
    for sensor in iterate_members(session, chassis.get("Sensors")):
        kind = _SENSOR_TYPES.get(str(sensor.get("ReadingType")), str(sensor.get("ReadingType") or "Other"))
        _add_sensor(found, kind, sensor, reading=sensor.get("Reading"), reading_units=sensor.get("ReadingUnits"))
