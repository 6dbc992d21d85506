"""``/v1/drivers``: the hardware types that conductors offer, with their interfaces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_interfaces import InvalidInput, Kind, Problem
from baremetal_sdk.api.framework.parameters import Parameter
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import BOOLEAN, STRINGS, choice
from baremetal_sdk.api.framework.views import Render, ResponseSpec, SubResource, View, ViewField
from baremetal_sdk.api.v1.node_fields import INTERFACE_SINCE
from baremetal_sdk.errors import DriverNotFound
from baremetal_sdk.store.records.node import ConductorRecord

DYNAMIC_SINCE = 30
SELECTION_SINCE = 77
RAID_SINCE = 12
_FIELDS = Parameter("fields", STRINGS, "The fields to show, with commas between them.", since=SELECTION_SINCE)


@dataclass(frozen=True)
class DriverRecord:
    """One hardware type, as all conductors that offer it have it."""

    name: str
    hosts: tuple[str, ...]
    interfaces: Mapping[str, Mapping[str, Any]]
    type: str = "dynamic"


def _interface_fields() -> Iterable[ViewField]:
    for kind in Kind:
        since = max(DYNAMIC_SINCE, INTERFACE_SINCE[kind] if INTERFACE_SINCE[kind] > 31 else DYNAMIC_SINCE)
        yield ViewField(f"default_{kind}_interface", since, ("interfaces",), _default(kind))
        yield ViewField(f"enabled_{kind}_interfaces", since, ("interfaces",), _enabled(kind))


def _default(kind: Kind) -> Render:
    def render(request: APIRequest, interfaces: Mapping[str, Any]) -> str | None:
        name: str | None = interfaces.get(kind, {}).get("default")
        return name

    return render


def _enabled(kind: Kind) -> Render:
    def render(request: APIRequest, interfaces: Mapping[str, Any]) -> list[str]:
        return list(interfaces.get(kind, {}).get("enabled", ()))

    return render


_DRIVER_VIEW = View(
    "drivers",
    DriverRecord,
    (ViewField("name"), ViewField("hosts"), ViewField("type", DYNAMIC_SINCE), *_interface_fields()),
    default=("name", "hosts", "type"),
    subresources=(SubResource("properties", 14),),
    key="name",
    links_when_brief=True,
)


class DriversResource:
    """Hardware types. They are called drivers in paths."""

    @route(
        "GET",
        "/v1/drivers",
        policy="baremetal:driver:get",
        role="system-reader",
        query=(
            Parameter("type", choice("classic", "dynamic"), "All hardware types are dynamic.", since=DYNAMIC_SINCE),
            Parameter("detail", BOOLEAN, "Whether to show the interfaces.", since=DYNAMIC_SINCE),
            _FIELDS,
        ),
        response=ResponseSpec(_DRIVER_VIEW, page=True),
    )
    def list(self, request: APIRequest) -> dict[str, Any]:
        """List the hardware types that conductors offer."""
        fields, detail = request.query.get("fields"), request.query.get("detail")
        if detail and fields is not None:
            raise InvalidInput("detail, fields: they cannot be given together; detail=True shows all fields")
        if request.query.get("type") == "classic":
            return {"drivers": []}
        if fields is not None:
            selection = _DRIVER_VIEW.selected(request.minor, fields)
        else:
            selection = _DRIVER_VIEW.whole(request.minor) if detail else _DRIVER_VIEW.brief(request.minor)
        return {"drivers": [selection.record(request, offer) for offer in _offers(request.conductors.alive())]}

    @route(
        "GET",
        "/v1/drivers/{driver}",
        policy="baremetal:driver:get",
        role="system-reader",
        query=(_FIELDS,),
        response=ResponseSpec(_DRIVER_VIEW),
    )
    def show(self, request: APIRequest) -> dict[str, Any]:
        """Show a hardware type with its interfaces."""
        fields = request.query.get("fields")
        selection = _DRIVER_VIEW.whole(request.minor) if fields is None else _DRIVER_VIEW.selected(request.minor, fields)
        return selection.record(request, _offer(request))

    @route("GET", "/v1/drivers/{driver}/properties", policy="baremetal:driver:get_properties", role="system-reader")
    def properties(self, request: APIRequest) -> dict[str, str]:
        """Tell what nodes of a hardware type have in their driver_info."""
        found: dict[str, str] = request.rpc("driver_properties", driver=offered_driver(request))
        return found

    @route(
        "GET",
        "/v1/drivers/{driver}/raid/logical_disk_properties",
        policy="baremetal:driver:get_raid_logical_disk_properties",
        role="system-reader",
        since=RAID_SINCE,
        too_old_status=406,
    )
    def logical_disk_properties(self, request: APIRequest) -> dict[str, str]:
        """Tell what can be said of a logical disk of a hardware type."""
        found: dict[str, str] = request.rpc("get_raid_logical_disk_properties", driver=offered_driver(request))
        return found


def offered_driver(request: APIRequest) -> str:
    """The hardware type that the path names. Raises ``DriverNotFound`` where no conductor offers it."""
    return _offer(request).name


def _offer(request: APIRequest) -> DriverRecord:
    name = request.arguments["driver"]
    offers = {offer.name: offer for offer in _offers(request.conductors.alive())}
    if name not in offers:
        known = ", ".join(offers) or "none"
        raise DriverNotFound(str(Problem("driver", f"no conductor offers {name[:64]!r}", f"offered are: {known}")))
    return offers[name]


def _offers(conductors: Iterable[ConductorRecord]) -> list[DriverRecord]:
    hosts: dict[str, list[str]] = {}
    interfaces: dict[str, dict[str, dict[str, Any]]] = {}
    for conductor in conductors:
        for name, offered in conductor.drivers.items():
            hosts.setdefault(name, []).append(conductor.hostname)
            _merge(interfaces.setdefault(name, {}), offered)
    return [DriverRecord(name, tuple(hosts[name]), interfaces[name]) for name in sorted(hosts)]


def _merge(known: dict[str, dict[str, Any]], offered: Mapping[str, Mapping[str, Any]]) -> None:
    """Add what one conductor offers: every implementation that any has, and the default of the first that has one."""
    for kind, interface in offered.items():
        entry = known.setdefault(kind, {"default": None, "enabled": []})
        entry["default"] = entry["default"] or interface.get("default")
        entry["enabled"].extend(name for name in interface.get("enabled", ()) if name not in entry["enabled"])
