"""Storage in memory for the latest sensor readings, which are offered as metrics with a limited number of series."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from baremetal_sdk.observability.metrics.collector import Reading
from baremetal_sdk.observability.metrics.declarations import SENSOR_READING, SENSORS_LEFT_OUT
from baremetal_sdk.sensors.message import Sensors
from baremetal_sdk.store.records.query import Row

_FIELDS_WITH_UNIT = (
    ("reading_celsius", "Cel"),
    ("reading_volts", "V"),
    ("last_power_output_watts", "W"),
)
"""Fields of a Redfish reading whose name implies the unit."""
_IPMI_FIELD = "Sensor Reading"
"""Field of an IPMI reading: a text with number and unit."""


class LatestReadings:
    """The numeric values of each node's latest sensor readings. Sensors beyond *max_series* are only counted. Thread-safe."""

    def __init__(self, max_series: int) -> None:
        self.max_series = max_series
        self._lock = threading.Lock()
        # Node -> its name and (sensor type, sensor, unit, number) of each series.
        self._nodes: dict[str, tuple[str, list[tuple[str, str, str, float]]]] = {}
        self._omitted: dict[str, int] = {}
        self._series_count = 0

    def put(self, row: Row, sensors: Sensors) -> None:
        """Replace the readings of a node. Those without a number are ignored; those beyond the maximum are only counted."""
        found = [
            (kind, name, unit, number)
            for kind, readings in sensors.items()
            for name, reading in readings.items()
            for number, unit in (parse_number(reading),)
            if number is not None
        ]
        with self._lock:
            self._drop_locked(row.uuid)
            series = found[: max(0, self.max_series - self._series_count)]
            self._series_count += len(series)
            self._nodes[row.uuid] = (row.name or "", series)
            self._omitted[row.uuid] = len(found) - len(series)

    def drop(self, node: str) -> None:
        """Drop the readings of a node, because old readings must not look like current ones."""
        with self._lock:
            self._drop_locked(node)

    def keep(self, nodes: set[str]) -> None:
        """Drop the readings of all nodes except *nodes*."""
        with self._lock:
            for node in self._nodes.keys() - nodes:
                self._drop_locked(node)

    def readings(self) -> Iterable[Reading]:
        """Yield the latest value of each sensor as a metric, and the number of sensors that are left out."""
        with self._lock:
            nodes, omitted = list(self._nodes.items()), sum(self._omitted.values())
        for node, (label, series) in nodes:
            for kind, name, unit, number in series:
                yield SENSOR_READING, (node, label, kind, name, unit), number
        yield SENSORS_LEFT_OUT, (), omitted

    def _drop_locked(self, node: str) -> None:
        _, series = self._nodes.pop(node, ("", []))
        self._omitted.pop(node, None)
        self._series_count -= len(series)


def parse_number(reading: Mapping[str, Any]) -> tuple[float | None, str]:
    """Return the number of a reading, or None, and its unit. Readings such as an open door have no number."""
    for field, unit in _FIELDS_WITH_UNIT:
        number = _parse_float(reading.get(field))
        if number is not None:
            return number, unit
    if _IPMI_FIELD in reading:
        text, _, unit = str(reading[_IPMI_FIELD]).partition(" ")
        return _parse_float(text), unit
    return _parse_float(reading.get("reading")), str(reading.get("reading_units") or reading.get("units") or "")


def _parse_float(value: Any) -> float | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
