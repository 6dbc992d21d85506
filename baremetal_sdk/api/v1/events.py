"""``/v1/events``: what other services have to tell."""

from __future__ import annotations

import logging
from typing import Any

from baremetal_interfaces import InvalidInput
from baremetal_sdk.api.framework.parameters import Parameter, Parameters, optional
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import ARRAY, MAC, OBJECT, TEXT, UUID, InvalidValue, ValueType, choice

LOG = logging.getLogger(__name__)

_NETWORK_EVENT = Parameters(
    "field",
    (
        Parameter("event", choice("network.bind_port", "network.unbind_port", "network.delete_port"), "What.", required=True),
        Parameter("port_id", UUID, "The port of the network service.", required=True),
        Parameter("mac_address", MAC, "Its MAC address.", required=True),
        Parameter("status", TEXT, "Its state.", required=True),
        optional("device_id", UUID, "The instance that it belongs to."),
        optional("binding:host_id", UUID, "The node that it is bound to."),
        optional("binding:vnic_type", TEXT, "What kind of port it is."),
    ),
)


def _events(value: Any) -> list[dict[str, Any]]:
    events: list[Any] = ARRAY.parse(value)
    if not events:
        raise InvalidValue("it is empty", "give at least one event")
    try:
        return [_NETWORK_EVENT.bind(OBJECT.parse(event), 1) for event in events]
    except InvalidInput as exc:
        raise InvalidValue(exc.message, "every event is one of a network port") from None


_EVENTS = ValueType(_events, {"type": "array", "minItems": 1, "items": _NETWORK_EVENT.schema})


class EventsResource:
    """Events from outside."""

    @route(
        "POST",
        "/v1/events",
        policy="baremetal:events:post",
        role="system-admin",
        since=54,
        status=204,
        body=(Parameter("events", _EVENTS, "What happened.", required=True),),
    )
    def create(self, request: APIRequest) -> None:
        """Take events of a network service. They are logged; nothing waits for them."""
        for event in request.body["events"]:
            LOG.info("%s: port %s (%s) is %s", event["event"], event["port_id"], event["mac_address"], event["status"])
