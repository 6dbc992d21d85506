"""What the sensors said last, as figures for Prometheus: a bounded number of series."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from baremetal_sdk.observability.metrics.collector import Reading
from baremetal_sdk.observability.metrics.declarations import SENSOR_READING, SENSORS_LEFT_OUT
from baremetal_sdk.sensors.message import Sensors
from baremetal_sdk.store.records.query import Row

_VALUES = (
    ("reading_celsius", "Cel"),
    ("reading_volts", "V"),
    ("last_power_output_watts", "W"),
)
"""What a reading is called where its name says the unit."""
_TEXT = "Sensor Reading"
"""What it is called by IPMI: a number and a unit in one text."""


class Latest:
    """Keeps the numbers of each node's last reading, of at most *most* sensors in all; safe to use from many threads."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._nodes: dict[str, tuple[str, list[tuple[str, str, str, float]]]] = {}
        self._left_out: dict[str, int] = {}
        self._kept = 0

    def put(self, row: Row, sensors: Sensors) -> None:
        """Take the place of what was known of a node."""
        found = [
            (kind, name, unit, number)
            for kind, named in sensors.items()
            for name, reading in named.items()
            for number, unit in (number_of(reading),)
            if number is not None
        ]
        with self._lock:
            self._forget(row.uuid)
            kept = found[: max(0, self.most - self._kept)]
            self._kept += len(kept)
            self._nodes[row.uuid] = (row.name or "", kept)
            self._left_out[row.uuid] = len(found) - len(kept)

    def drop(self, node: str) -> None:
        """Forget a node: what was said long ago is no figure of now."""
        with self._lock:
            self._forget(node)

    def keep(self, nodes: set[str]) -> None:
        """Forget all other nodes."""
        with self._lock:
            for node in self._nodes.keys() - nodes:
                self._forget(node)

    def readings(self) -> Iterable[Reading]:
        """What a scrape shows."""
        with self._lock:
            nodes, left_out = list(self._nodes.items()), sum(self._left_out.values())
        for node, (label, kept) in nodes:
            for kind, name, unit, number in kept:
                yield SENSOR_READING, (node, label, kind, name, unit), number
        yield SENSORS_LEFT_OUT, (), left_out

    def _forget(self, node: str) -> None:
        _, kept = self._nodes.pop(node, ("", []))
        self._left_out.pop(node, None)
        self._kept -= len(kept)


def number_of(reading: Mapping[str, Any]) -> tuple[float | None, str]:
    """The number in a reading and its unit; None where there is none: a door is open, a slot is empty."""
    for name, unit in _VALUES:
        if (number := _number(reading.get(name))) is not None:
            return number, unit
    if _TEXT in reading:
        text, _, unit = str(reading[_TEXT]).partition(" ")
        return _number(text), unit
    return _number(reading.get("reading")), str(reading.get("reading_units") or reading.get("units") or "")


def _number(value: Any) -> float | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
