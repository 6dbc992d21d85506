"""Event service of a simulated Redfish BMC. Clients can create, list and delete subscriptions, but the BMC sends no events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_fake.redfish.errors import RedfishError, missing_parameter, missing_resource, unknown_property
from baremetal_fake.redfish.exchange import ROOT, Exchange, Operation, collection, link, make_command, make_reader
from baremetal_fake.redfish.message import Answer
from baremetal_fake.redfish.routing import Route

EVENT_TYPES = ("StatusChange", "ResourceUpdated", "ResourceAdded", "ResourceRemoved", "Alert", "MetricReport", "Other")
_SUBSCRIPTIONS = ("EventService", "Subscriptions")
_WRITABLE_PROPERTIES = ("Destination", "Protocol", "Context", "EventTypes", "HttpHeaders", "EventFormatType", "Name")


def routes() -> list[Route]:
    """Return the HTTP routes of a simulated BMC for the event service and its subscriptions."""
    return [
        Route("EventService", {"GET": make_reader("get_subscriptions", _service)}),
        Route("EventService/Subscriptions", {"GET": make_reader("get_subscriptions", _subscriptions), "POST": _subscribe}),
        Route("EventService/Subscriptions/*", {"GET": make_reader("get_subscriptions", _subscription), "DELETE": _unsubscribe}),
    ]


def _service(exchange: Exchange) -> dict[str, Any]:
    return {
        **link("EventService"),
        "@odata.type": "#EventService.v1_10_0.EventService",
        "Id": "EventService",
        "Name": "Events",
        "ServiceEnabled": True,
        "EventTypesForSubscription": list(EVENT_TYPES),
        "Subscriptions": link(*_SUBSCRIPTIONS),
    }


def _subscriptions(exchange: Exchange) -> dict[str, Any]:
    return collection(_SUBSCRIPTIONS, "EventDestinationCollection", "Subscriptions", list(exchange.bmc.subscriptions))


def _subscription(exchange: Exchange) -> dict[str, Any]:
    identifier = exchange.names[0]
    return _subscription_resource(identifier, _require_subscription(exchange, identifier))


def _require_subscription(exchange: Exchange, identifier: str) -> Mapping[str, Any]:
    if identifier not in exchange.bmc.subscriptions:
        raise missing_resource(exchange.request.path)
    return exchange.bmc.subscriptions[identifier]


def _subscription_resource(identifier: str, subscription: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Redfish resource of a subscription without its HTTP headers, because they hold secrets."""
    return {
        **link(*_SUBSCRIPTIONS, identifier),
        "@odata.type": "#EventDestination.v1_14_0.EventDestination",
        "Id": identifier,
        "Name": "Event subscription",
        **{name: value for name, value in subscription.items() if name != "HttpHeaders"},
    }


def _subscribe(exchange: Exchange) -> Operation:
    """Return the operation that creates the subscription in the request body; raise RedfishError if the body is not valid."""
    body = exchange.json()
    for name in body:
        if name not in _WRITABLE_PROPERTIES:
            raise unknown_property(name)
    for name in ("Destination", "Protocol"):
        if not isinstance(body.get(name), str):
            raise missing_parameter("EventDestinationCollection.Create", name)
    if not body["Destination"].startswith("https://"):
        raise RedfishError(400, "GeneralError", "Destination must be an https URL.")

    def run(_: Any) -> Answer:
        subscriptions = exchange.bmc.subscriptions
        identifier = str(1 + max(map(int, subscriptions), default=0))
        subscriptions[identifier] = body
        return Answer(201, _subscription_resource(identifier, body), {"Location": "/".join((ROOT, *_SUBSCRIPTIONS, identifier))})

    return Operation("create_subscription", run, {"destination": body["Destination"]})


def _unsubscribe(exchange: Exchange) -> Operation:
    identifier = exchange.names[0]
    _require_subscription(exchange, identifier)

    def remove(_: Any) -> None:
        exchange.bmc.subscriptions.pop(identifier, None)

    return make_command("delete_subscription", remove, identifier=identifier)
