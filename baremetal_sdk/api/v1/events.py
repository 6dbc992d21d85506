"""API resource ``/v1/events``: events that other services, such as the network service, send to this service."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import InvalidInput
from baremetal_sdk.api.framework.parameters import Parameter, Parameters, optional
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import ARRAY, MAC, OBJECT, TEXT, UUID, InvalidValue, ValueType, choice
from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)

_NETWORK_EVENT = Parameters(
    "field",
    (
        Parameter(
            "event",
            choice("network.bind_port", "network.unbind_port", "network.delete_port"),
            "The type of event.",
            required=True,
        ),
        Parameter("port_id", UUID, "The UUID of the port in the network service.", required=True),
        Parameter("mac_address", MAC, "The MAC address of the port.", required=True),
        Parameter("status", TEXT, "The status of the port.", required=True),
        optional("device_id", UUID, "The UUID of the instance that the port belongs to."),
        optional("binding:host_id", UUID, "The UUID of the node that the port is bound to."),
        optional("binding:vnic_type", TEXT, "The type of the port."),
    ),
)


def _parse_events(value: Any) -> list[dict[str, Any]]:
    events: list[Any] = ARRAY.parse(value)
    if not events:
        raise InvalidValue("is empty", "give one event or more")
    try:
        return [_NETWORK_EVENT.bind(OBJECT.parse(event), 1) for event in events]
    except InvalidInput as exc:
        raise InvalidValue(f"has an invalid event: {exc.message}", "each entry must be an event of a network port") from None


_EVENTS = ValueType(_parse_events, {"type": "array", "minItems": 1, "items": _NETWORK_EVENT.schema})


class EventsResource:
    """Route that receives events from other services."""

    @route(
        "POST",
        "/v1/events",
        policy="baremetal:events:post",
        role="system-admin",
        since=54,
        status=204,
        body=(Parameter("events", _EVENTS, "The events. They are written to the log.", required=True),),
    )
    def create(self, request: APIRequest) -> None:
        """Accept events from the network service and write them to the log. They have no other effect."""
        for event in request.body["events"]:
            LOG.info("%s: port %s (%s) has status %s", event["event"], event["port_id"], event["mac_address"], event["status"])
