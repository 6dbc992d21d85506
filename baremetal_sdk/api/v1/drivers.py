"""API resource ``/v1/drivers``: the hardware types that the live conductors offer, with their interfaces."""

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
"""The minor number of the first microversion with hardware types and their interfaces, which Ironic calls dynamic drivers."""
SELECTION_SINCE = 77
"""The minor number of the first microversion that selects fields of a driver."""
RAID_SINCE = 12
_FIELDS = Parameter("fields", STRINGS, "The fields to return, separated by commas.", since=SELECTION_SINCE)


@dataclass(frozen=True)
class DriverRecord:
    """A hardware type, merged from the offers of live conductors. *hosts* are the host names of the conductors that offer it."""

    name: str
    hosts: tuple[str, ...]
    interfaces: Mapping[str, Mapping[str, Any]]
    type: str = "dynamic"


def _interface_fields() -> Iterable[ViewField]:
    for kind in Kind:
        # Nodes got most interface fields in 1.31, but drivers had them in 1.30. Later kinds came in one version for both.
        since = INTERFACE_SINCE[kind] if INTERFACE_SINCE[kind] > 31 else DYNAMIC_SINCE
        yield ViewField(f"default_{kind}_interface", since, ("interfaces",), _default_renderer(kind))
        yield ViewField(f"enabled_{kind}_interfaces", since, ("interfaces",), _enabled_renderer(kind))


def _default_renderer(kind: Kind) -> Render:
    def render(request: APIRequest, interfaces: Mapping[str, Any]) -> str | None:
        name: str | None = interfaces.get(kind, {}).get("default")
        return name

    return render


def _enabled_renderer(kind: Kind) -> Render:
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
    """Routes that describe hardware types, which the API calls drivers."""

    @route(
        "GET",
        "/v1/drivers",
        policy="baremetal:driver:get",
        role="system-reader",
        query=(
            Parameter(
                "type",
                choice("classic", "dynamic"),
                "The type of driver. All drivers are dynamic, so classic returns an empty list.",
                since=DYNAMIC_SINCE,
            ),
            Parameter(
                "detail",
                BOOLEAN,
                "True to return all fields, including the interfaces. It cannot be used together with fields.",
                since=DYNAMIC_SINCE,
            ),
            _FIELDS,
        ),
        response=ResponseSpec(_DRIVER_VIEW, page=True),
    )
    def list(self, request: APIRequest) -> dict[str, Any]:
        """List the hardware types that the live conductors offer."""
        fields, detail = request.query.get("fields"), request.query.get("detail")
        if detail and fields is not None:
            raise InvalidInput("detail, fields: the parameters exclude each other; use one of them")
        if request.query.get("type") == "classic":
            return {"drivers": []}
        if fields is not None:
            selection = _DRIVER_VIEW.select(request.minor, fields)
        else:
            selection = _DRIVER_VIEW.whole(request.minor) if detail else _DRIVER_VIEW.brief(request.minor)
        return {"drivers": [selection.record(request, driver) for driver in _merge_offers(request.conductors.list_live())]}

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
        selection = _DRIVER_VIEW.whole(request.minor) if fields is None else _DRIVER_VIEW.select(request.minor, fields)
        return selection.record(request, _find_driver(request))

    @route("GET", "/v1/drivers/{driver}/properties", policy="baremetal:driver:get_properties", role="system-reader")
    def properties(self, request: APIRequest) -> dict[str, str]:
        """Return a description of each field of driver_info that a hardware type uses."""
        properties: dict[str, str] = request.rpc("driver_properties", driver=require_offered_driver(request))
        return properties

    @route(
        "GET",
        "/v1/drivers/{driver}/raid/logical_disk_properties",
        policy="baremetal:driver:get_raid_logical_disk_properties",
        role="system-reader",
        since=RAID_SINCE,
        too_old_status=406,
        policy_first=True,
    )
    def logical_disk_properties(self, request: APIRequest) -> dict[str, str]:
        """Return a description of each property of a logical disk in RAID configurations for a hardware type."""
        driver = require_offered_driver(request)
        properties: dict[str, str] = request.rpc("get_raid_logical_disk_properties", driver=driver)
        return properties


def require_offered_driver(request: APIRequest) -> str:
    """Return the name of the hardware type in the path. Raises ``DriverNotFound`` if no live conductor offers it."""
    return _find_driver(request).name


def _find_driver(request: APIRequest) -> DriverRecord:
    """Return the hardware type that the path names. Raises ``DriverNotFound`` if no live conductor offers it."""
    name = request.arguments["driver"]
    drivers = {driver.name: driver for driver in _merge_offers(request.conductors.list_live())}
    if name not in drivers:
        offered = ", ".join(drivers) or "none"
        raise DriverNotFound(str(Problem("driver", f"no conductor offers {name[:64]!r}", f"offered are: {offered}")))
    return drivers[name]


def _merge_offers(conductors: Iterable[ConductorRecord]) -> list[DriverRecord]:
    """Return all hardware types that *conductors* offer, sorted by name."""
    hosts: dict[str, list[str]] = {}
    interfaces: dict[str, dict[str, dict[str, Any]]] = {}
    for conductor in conductors:
        for name, offered in conductor.drivers.items():
            hosts.setdefault(name, []).append(conductor.hostname)
            _add_offer(interfaces.setdefault(name, {}), offered)
    return [DriverRecord(name, tuple(hosts[name]), interfaces[name]) for name in sorted(hosts)]


def _add_offer(known: dict[str, dict[str, Any]], offered: Mapping[str, Mapping[str, Any]]) -> None:
    """Add the interfaces of one conductor to *known*.

    The result contains every implementation that any conductor enables. The default is that of the first conductor
    that has one.
    """
    for kind, interface in offered.items():
        entry = known.setdefault(kind, {"default": None, "enabled": []})
        entry["default"] = entry["default"] or interface.get("default")
        entry["enabled"].extend(name for name in interface.get("enabled", ()) if name not in entry["enabled"])
