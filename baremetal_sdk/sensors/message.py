"""Sensor data as notifications, in the shape that consumers of Ironic's know."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from baremetal_sdk.observability.metrics.collector import Reading
from baremetal_sdk.store.records.query import Row

Sensors = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Sensor type -> sensor name -> reading."""
OF_CONDUCTOR = "ironic.metrics"


class Notifier(Protocol):
    """Whoever is to be told: a ``Notifier`` of oslo.messaging is one."""

    def info(self, ctxt: dict[str, Any], event_type: str, payload: dict[str, Any]) -> Any:
        """Take a notification. It is called by many threads."""


def of_node(row: Row, sensors: Sensors, now: datetime) -> tuple[str, dict[str, Any]]:
    """The type and the content of the notification with the sensors of one node."""
    kind = f"hardware.{row.driver}.metrics"
    payload = {kind: {name: dict(reading) for name, reading in named.items()} for kind, named in sensors.items()}
    about = {"instance_uuid": row.instance_uuid, "node_uuid": row.uuid, "node_name": row.name}
    return kind, {**_head(kind, now), **about, "payload": payload}


def of_conductor(host: str, readings: Iterable[Reading], now: datetime) -> tuple[str, dict[str, Any]]:
    """The type and the content of the notification with a conductor's own figures."""
    payload: dict[str, Any] = {}
    for metric, labels, value in readings:
        name = ".".join((metric.name, *labels))
        payload[name] = {"type": metric.type, "count" if metric.type == "counter" else "value": value}
    return OF_CONDUCTOR, {**_head(OF_CONDUCTOR, now), "hostname": host, "payload": payload}


def _head(kind: str, now: datetime) -> dict[str, Any]:
    at = now.astimezone(UTC).replace(tzinfo=None).isoformat()
    return {"message_id": str(uuid.uuid4()), "timestamp": at, "event_type": f"{kind}.update"}
