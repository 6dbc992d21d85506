"""Reading of the sensors of a machine's chassis, with results in the format of the Bare Metal API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from baremetal_redfish.links import get_nested, get_objects, get_path
from baremetal_redfish.machine_resources import find_machine_resources
from baremetal_redfish.resource_reader import ResourceReader
from baremetal_redfish.values import drop_none, is_present

Sensors = dict[str, dict[str, dict[str, Any]]]

_THRESHOLDS = {
    "upper_threshold_critical": "UpperThresholdCritical",
    "upper_threshold_fatal": "UpperThresholdFatal",
    "lower_threshold_critical": "LowerThresholdCritical",
    "lower_threshold_fatal": "LowerThresholdFatal",
}
_NESTED_THRESHOLDS = {
    "upper_threshold_critical": "UpperCritical",
    "upper_threshold_fatal": "UpperFatal",
    "lower_threshold_critical": "LowerCritical",
    "lower_threshold_fatal": "LowerFatal",
}
_SENSOR_TYPES = {"Temperature": "Temperature", "Rotational": "Fan", "Power": "Power", "Voltage": "Voltage", "Current": "Current"}
_CELSIUS = "Cel"
_METRICS = {
    "TemperatureCelsius": ("Temperature", _CELSIUS),
    "HumidityPercent": ("Humidity", "%"),
    "FanSpeedsPercent": ("Fan", "%"),
    "PowerWatts": ("Power", "W"),
    "PowerLoadPercent": ("Power", "%"),
    "EnergyJoules": ("EnergyJoules", "J"),
    "EnergykWh": ("EnergykWh", "kW.h"),
}
"""Property of ``EnvironmentMetrics`` -> type and unit of its sensor."""


def read_sensors(reader: ResourceReader, system: Mapping[str, Any]) -> Sensors:
    """Return the readings of all chassis of the machine of *system*: sensor type -> sensor name -> reading.

    A sensor that a chassis lists in several places is returned once. A place that cannot be read is left out and logged.
    """
    found: Sensors = {}
    for chassis in find_machine_resources(reader, system).chassis:
        _ChassisSensors(found, reader).add_all(chassis)
    return found


class _ChassisSensors:
    """Sensors of one chassis, added to *found*, the sensors of the machine."""

    def __init__(self, found: Sensors, reader: ResourceReader) -> None:
        self._found = found
        self._reader = reader
        self._paths: set[str] = set()
        self._names: set[tuple[str, str]] = set()
        """Types and names of the sensors of this chassis."""

    def add_all(self, chassis: Mapping[str, Any]) -> None:
        """Add the sensors of the older resources, of the collection of sensors, and of the environment metrics."""
        self._add_thermal(self._reader.follow(chassis.get("Thermal")))
        self._add_power(self._reader.follow(chassis.get("Power")))
        listed = frozenset(self._names)
        for sensor in self._reader.members(chassis.get("Sensors"), expanded=True):
            self._add_sensor(sensor, listed)
        self._add_metrics(chassis, self._reader.follow(chassis.get("EnvironmentMetrics")))

    def _add(self, kind: str, document: Mapping[str, Any], **reading: Any) -> None:
        identity = document.get("MemberId") or document.get("Id")
        path = get_path(document)
        name = str(document.get("Name") or document.get("FanName") or identity or path or "unnamed")
        status = document.get("Status")
        common = drop_none(
            identity=identity,
            # NVIDIA's BMCs call the health of a device critical that is not installed.
            health=get_nested(status, "Health") if is_present(document) else None,
            state=get_nested(status, "State"),
            physical_context=document.get("PhysicalContext"),
        )
        own = self._found.setdefault(kind, {})
        # Names are not unique: some services use one name for several sensors.
        own[name if name not in own else f"{name}@{path or identity}"] = {**common, **drop_none(**reading), **_limits(document)}
        self._names.add((kind, name))
        if path is not None:
            self._paths.add(path)

    def _add_thermal(self, thermal: Any) -> None:
        for sensor in filter(is_present, get_objects(get_nested(thermal, "Temperatures"))):
            celsius, number = sensor.get("ReadingCelsius"), sensor.get("SensorNumber")
            self._add("Temperature", sensor, reading_celsius=celsius, sensor_number=number)
        for sensor in filter(is_present, get_objects(get_nested(thermal, "Fans"))):
            units = sensor.get("ReadingUnits") or sensor.get("Units")
            self._add("Fan", sensor, reading=sensor.get("Reading"), reading_units=units)

    def _add_power(self, power: Any) -> None:
        for supply in filter(is_present, get_objects(get_nested(power, "PowerSupplies"))):
            self._add(
                "Power",
                supply,
                last_power_output_watts=supply.get("LastPowerOutputWatts"),
                power_capacity_watts=supply.get("PowerCapacityWatts"),
                line_input_voltage=supply.get("LineInputVoltage"),
            )
        for sensor in filter(is_present, get_objects(get_nested(power, "Voltages"))):
            self._add("Voltage", sensor, reading_volts=sensor.get("ReadingVolts"))

    def _add_sensor(self, sensor: Mapping[str, Any], listed: frozenset[tuple[str, str]]) -> None:
        """Add a member of the collection of sensors, unless the older resources, with the names *listed*, have it.

        Sensors of devices that are not installed have a state and no reading.
        """
        named = str(sensor.get("ReadingType") or "Other")
        kind, path = _SENSOR_TYPES.get(named, named), get_path(sensor)
        if path in self._paths or (kind, str(sensor.get("Name"))) in listed:
            if path is not None:
                self._paths.add(path)
            return
        reading, units = sensor.get("Reading"), sensor.get("ReadingUnits")
        celsius = reading if kind == "Temperature" and units == _CELSIUS else None
        self._add(kind, sensor, reading=reading, reading_units=units, reading_celsius=celsius)

    def _add_metrics(self, chassis: Mapping[str, Any], metrics: Mapping[str, Any] | None) -> None:
        """Add the metrics that are not copies of a sensor that was read."""
        for number, (name, metric) in enumerate(_iterate_metrics(metrics)):
            kind, units = _METRICS[name]
            is_copy = str(metric.get("DataSourceUri")) in self._paths or (
                name == "EnergykWh" and "EnergyJoules" in (metrics or {})
            )
            if is_copy or metric.get("Reading") is None:
                continue
            # A metric has no name and no path of its own.
            label = metric.get("DeviceName") or f"{chassis.get('Id') or 'chassis'} {name}"
            path = f"{get_path(metrics)}#/{name}/{number}"
            celsius = metric["Reading"] if units == _CELSIUS else None
            document = {"Name": label, "@odata.id": path}
            self._add(kind, document, reading=metric["Reading"], reading_units=units, reading_celsius=celsius)


def _iterate_metrics(metrics: Mapping[str, Any] | None) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in _METRICS:
        value = get_nested(metrics, name)
        for metric in get_objects(value if isinstance(value, list) else [value]):
            yield name, metric


def _limits(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the thresholds of a sensor, in the older or the newer form of the schema."""
    nested = {ours: get_nested(document, "Thresholds", theirs, "Reading") for ours, theirs in _NESTED_THRESHOLDS.items()}
    older = {ours: document.get(theirs) for ours, theirs in _THRESHOLDS.items()}
    return {**drop_none(**nested), **drop_none(**older)}
