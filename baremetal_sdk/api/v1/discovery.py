"""API resources ``/`` and ``/v1``, which describe the API to clients, and health checks for monitoring."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from webob import Response

from baremetal_interfaces import BareMetalError, Busy
from baremetal_sdk.api.framework.microversions import MAXIMUM, MINIMUM, format_version
from baremetal_sdk.api.framework.readiness import StoreCheck
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import PUBLIC, RouteTable, path_not_found_error, route, split_path
from baremetal_sdk.api.framework.schemas import schema_of
from baremetal_sdk.api.framework.views import Link, build_links
from baremetal_sdk.errors import StoreFull
from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)
_POLICY = "public_api"


class Version(TypedDict):
    """A version of the API with its range of microversions."""

    id: str
    status: str
    min_version: str
    version: str
    links: list[Link]


class Resources(TypedDict):
    """The response of ``/v1``. In addition it has a field for each resource, with links to the resource."""

    id: str
    links: list[Link]
    media_types: dict[str, str]
    version: Version


class Root(TypedDict):
    """The response of ``/``: the versions of the API."""

    name: str
    description: str
    default_version: Version
    versions: list[Version]


class Alive(TypedDict):
    """The response of ``/healthz``, as long as the process is alive."""

    status: Literal["ok"]


class Ready(TypedDict):
    """The response of ``/readyz`` if the service can serve requests."""

    status: Literal["ready"]


_RESOURCES = {**schema_of(Resources), "additionalProperties": schema_of(list[Link])}


class DiscoveryResource:
    """Routes that describe the API: its versions, and links to every resource that has a route."""

    def __init__(self, table: RouteTable) -> None:
        self._table = table

    @route("GET", "/", policy=_POLICY, visibility=PUBLIC)
    def root(self, request: APIRequest) -> Root:
        """List the versions of the API."""
        return {
            "name": "Bare Metal API",
            "description": "Provisioning and management of bare-metal machines.",
            "default_version": _describe_version(request),
            "versions": [_describe_version(request)],
        }

    @route("GET", "/v1", policy=_POLICY, visibility=PUBLIC, response=_RESOURCES)
    def v1(self, request: APIRequest) -> dict[str, Any]:
        """List the resources of version 1 of the API."""
        return {
            "id": "v1",
            "links": _describe_version(request)["links"],
            "media_types": {"base": "application/json", "type": "application/vnd.openstack.ironic.v1+json"},
            "version": _describe_version(request),
            **{name: build_links(request.base, f"{name}/") for name in self._resource_names(request.minor)},
        }

    def _resource_names(self, minor: int) -> list[str]:
        paths = (split_path(route.path) for route in self._table.routes() if route.since <= minor)
        return sorted({path[1] for path in paths if len(path) > 1 and path[0] == "v1"})


class HealthResource:
    """Routes for health checks: whether the process is alive, and whether the service can serve requests."""

    def __init__(self) -> None:
        self._store_check = StoreCheck()
        self._was_ready = False

    @route("GET", "/healthz", policy=_POLICY, visibility=PUBLIC)
    def alive(self, request: APIRequest) -> Alive:
        """Return status 200 as long as the process is alive."""
        return {"status": "ok"}

    @route("GET", "/healthcheck", policy=_POLICY, visibility=PUBLIC, content_type="text/plain", response={"const": "OK"})
    def check(self, request: APIRequest) -> Response:
        """Return the text OK, as Ironic's health check does. If [healthcheck] enabled is false, return status 404."""
        if not request.backend.config.healthcheck.enabled:
            raise path_not_found_error(["healthcheck"])
        return Response(body=b"OK", content_type="text/plain", charset="utf-8")

    @route("GET", "/readyz", policy=_POLICY, visibility=PUBLIC)
    def ready(self, request: APIRequest) -> Ready:
        """Return status 200 if the service can serve requests, otherwise 503 with one word as the reason.

        The word is starting, stopping, store_unavailable or store_full. Clients need no authentication, so they get no details.
        """
        if not request.backend.ready:
            raise Busy("stopping" if self._was_ready else "starting", retry_after=1.0)
        self._was_ready = True
        try:
            self._store_check.run(request.backend.store)
        except BareMetalError as exc:
            LOG.warning("not ready: %s", exc)
            raise Busy("store_full" if isinstance(exc, StoreFull) else "store_unavailable", retry_after=5.0) from exc
        return {"status": "ready"}


def _describe_version(request: APIRequest) -> Version:
    return {
        "id": "v1",
        "status": "CURRENT",
        "min_version": format_version(MINIMUM),
        "version": format_version(MAXIMUM),
        "links": [{"href": f"{request.base}/v1/", "rel": "self"}],
    }
