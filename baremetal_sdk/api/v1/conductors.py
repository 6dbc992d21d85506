"""API resource ``/v1/conductors``: the registered conductors, and whether each is alive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.framework.pagination import DETAIL, FIELDS, PAGING, build_next_link, parse_page_request, render_record
from baremetal_sdk.api.framework.parameters import Parameter
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import TEXT
from baremetal_sdk.api.framework.views import ResponseSpec, View, ViewField
from baremetal_sdk.errors import ConductorNotFound
from baremetal_sdk.store.records.node import ConductorRecord

_SINCE = 49
_MARKER = Parameter("marker", TEXT, "The host name of the last conductor on the previous page.")
_QUERY = (*(_MARKER if parameter.name == "marker" else parameter for parameter in PAGING), FIELDS, DETAIL)


def _is_alive(request: APIRequest, hostname: str, incarnation: str) -> bool:
    return request.conductors.is_live(hostname, incarnation)


def _list_drivers(request: APIRequest, drivers: Mapping[str, Any]) -> list[str]:
    return sorted(drivers)


CONDUCTOR_VIEW = View(
    "conductors",
    ConductorRecord,
    (
        ViewField("hostname"),
        ViewField("conductor_group"),
        ViewField("alive", 1, ("hostname", "incarnation"), _is_alive, sortable=False),
        ViewField("drivers", render=_list_drivers, sortable=False),
        ViewField("created_at"),
        ViewField("updated_at"),
    ),
    default=("hostname", "conductor_group", "alive"),
    key="hostname",
)


class ConductorsResource:
    """Routes that show the conductors, as they registered themselves in the store."""

    @route(
        "GET",
        "/v1/conductors",
        policy="baremetal:conductor:get",
        role="system-reader",
        since=_SINCE,
        query=_QUERY,
        response=ResponseSpec(CONDUCTOR_VIEW, page=True),
    )
    def list(self, request: APIRequest) -> dict[str, Any]:
        """List the registered conductors, and whether each is alive."""
        page = parse_page_request(request, CONDUCTOR_VIEW)
        conductors = list(request.conductors.refresh())
        if page.sort_key is not None:
            key = page.sort_key
            conductors.sort(key=lambda conductor: str(getattr(conductor, key)))
        if page.sort_dir == "desc":
            conductors.reverse()
        if page.marker is not None:
            conductors = _skip_to_marker(conductors, page.marker)
        listed = conductors[: page.limit]
        body: dict[str, Any] = {"conductors": [page.selection.record(request, conductor) for conductor in listed]}
        if len(conductors) > page.limit:
            body["next"] = build_next_link(request, page.limit, listed[-1].hostname)
        return body

    @route(
        "GET",
        "/v1/conductors/{conductor}",
        policy="baremetal:conductor:get",
        role="system-reader",
        since=_SINCE,
        query=(FIELDS,),
        response=ResponseSpec(CONDUCTOR_VIEW),
    )
    def show(self, request: APIRequest) -> dict[str, Any]:
        """Show a registered conductor, and whether it is alive."""
        hostname = request.arguments["conductor"]
        for conductor in request.conductors.refresh():
            if conductor.hostname == hostname:
                return render_record(request, CONDUCTOR_VIEW, conductor)
        raise ConductorNotFound(f"conductor {hostname[:64]!r} was not found; /v1/conductors lists all conductors")


def _skip_to_marker(conductors: list[ConductorRecord], marker: str) -> list[ConductorRecord]:
    """Return the conductors after the one with the host name *marker*. Raises ``InvalidInput`` for an unknown marker."""
    names = [conductor.hostname for conductor in conductors]
    if marker not in names:
        raise InvalidInput(
            [
                Problem(
                    "marker",
                    f"no conductor is named {marker[:64]!r}",
                    "use the host name of the last conductor on the previous page",
                )
            ]
        )
    return conductors[names.index(marker) + 1 :]
