"""Conversion of sensor readings and conductor metrics into notifications, in the format of Ironic."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from baremetal_sdk.observability.metrics.collector import Reading
from baremetal_sdk.store.records.query import Row

Sensors = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Sensor type -> sensor name -> reading."""
CONDUCTOR_EVENT_TYPE = "ironic.metrics"


class Notifier(Protocol):
    """A receiver of notifications, such as a ``Notifier`` of oslo.messaging."""

    def info(self, ctxt: dict[str, Any], event_type: str, payload: dict[str, Any]) -> Any:
        """Send a notification with the priority INFO. *ctxt* is empty. Many threads call this method at the same time."""


def build_node_message(row: Row, sensors: Sensors, now: datetime) -> tuple[str, dict[str, Any]]:
    """Return the event type and the content of the notification with the sensors of one node."""
    kind = f"hardware.{row.driver}.metrics"
    payload = {kind: {name: dict(reading) for name, reading in readings.items()} for kind, readings in sensors.items()}
    node_fields = {"instance_uuid": row.instance_uuid, "node_uuid": row.uuid, "node_name": row.name}
    return kind, {**_build_header(kind, now), **node_fields, "payload": payload}


def build_conductor_message(host: str, readings: Iterable[Reading], now: datetime) -> tuple[str, dict[str, Any]]:
    """Return the event type and the content of the notification with the metrics of a conductor."""
    payload: dict[str, Any] = {}
    for metric, labels, value in readings:
        name = ".".join((metric.name, *labels))
        payload[name] = {"type": metric.type, "count" if metric.type == "counter" else "value": value}
    return CONDUCTOR_EVENT_TYPE, {**_build_header(CONDUCTOR_EVENT_TYPE, now), "hostname": host, "payload": payload}


def _build_header(kind: str, now: datetime) -> dict[str, Any]:
    timestamp = now.astimezone(UTC).replace(tzinfo=None).isoformat()
    return {"message_id": str(uuid.uuid4()), "timestamp": timestamp, "event_type": f"{kind}.update"}
