"""Subscriptions to events. They are kept and listed; nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_fake.redfish.errors import RedfishError, missing_parameter, missing_resource, unknown_property
from baremetal_fake.redfish.exchange import ROOT, Exchange, Operation, collection, command, link, reading
from baremetal_fake.redfish.message import Answer
from baremetal_fake.redfish.routing import Route

EVENT_TYPES = ("StatusChange", "ResourceUpdated", "ResourceAdded", "ResourceRemoved", "Alert", "MetricReport", "Other")
_SUBSCRIPTIONS = ("EventService", "Subscriptions")
_SETTABLE = ("Destination", "Protocol", "Context", "EventTypes", "HttpHeaders", "EventFormatType", "Name")


def routes() -> list[Route]:
    """The routes of this module."""
    return [
        Route("EventService", {"GET": reading("get_subscriptions", _service)}),
        Route("EventService/Subscriptions", {"GET": reading("get_subscriptions", _all), "POST": _subscribe}),
        Route("EventService/Subscriptions/*", {"GET": reading("get_subscriptions", _one), "DELETE": _unsubscribe}),
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


def _all(exchange: Exchange) -> dict[str, Any]:
    return collection(_SUBSCRIPTIONS, "EventDestinationCollection", "Subscriptions", list(exchange.bmc.subscriptions))


def _one(exchange: Exchange) -> dict[str, Any]:
    identifier = exchange.names[0]
    return _described(identifier, _found(exchange, identifier))


def _found(exchange: Exchange, identifier: str) -> Mapping[str, Any]:
    if identifier not in exchange.bmc.subscriptions:
        raise missing_resource(exchange.request.path)
    return exchange.bmc.subscriptions[identifier]


def _described(identifier: str, subscription: Mapping[str, Any]) -> dict[str, Any]:
    """What was subscribed to; headers hold secrets and are never told."""
    return {
        **link(*_SUBSCRIPTIONS, identifier),
        "@odata.type": "#EventDestination.v1_14_0.EventDestination",
        "Id": identifier,
        "Name": "Event subscription",
        **{name: value for name, value in subscription.items() if name != "HttpHeaders"},
    }


def _subscribe(exchange: Exchange) -> Operation:
    body = exchange.json()
    for name in body:
        if name not in _SETTABLE:
            raise unknown_property(name)
    for name in ("Destination", "Protocol"):
        if not isinstance(body.get(name), str):
            raise missing_parameter("EventDestinationCollection.Create", name)
    if not body["Destination"].startswith("https://"):
        raise RedfishError(400, "GeneralError", "Destination has to be an https URL.")

    def run(_: Any) -> Answer:
        subscriptions = exchange.bmc.subscriptions
        identifier = str(1 + max(map(int, subscriptions), default=0))
        subscriptions[identifier] = body
        return Answer(201, _described(identifier, body), {"Location": "/".join((ROOT, *_SUBSCRIPTIONS, identifier))})

    return Operation("create_subscription", run, {"destination": body["Destination"]})


def _unsubscribe(exchange: Exchange) -> Operation:
    identifier = exchange.names[0]
    _found(exchange, identifier)

    def forget(_: Any) -> None:
        exchange.bmc.subscriptions.pop(identifier, None)

    return command("delete_subscription", forget, identifier=identifier)
