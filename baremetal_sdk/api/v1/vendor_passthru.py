"""``vendor_passthru``: what one vendor's machines can do and the API has no word for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict, TypeVar

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.access.personas import Persona
from baremetal_sdk.api.framework.parameters import Parameter
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import OBJECT, text
from baremetal_sdk.api.v1.drivers import require_offered_driver

F = TypeVar("F", bound=Callable[..., Any])
HTTP_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_METHOD = (Parameter("method", text(255, 1), "The name of the vendor's method."),)


def _passthru(path: str, policy: str, role: Persona) -> Callable[[F], F]:
    """Declare a handler for all HTTP methods, with the name of the vendor's method in the query or at the path's end."""

    def declare(handler: F) -> F:
        for method in reversed(HTTP_METHODS):
            handler = route(method, path + "/{method}", policy=policy, role=role, body=OBJECT)(handler)
            handler = route(method, path, policy=policy, role=role, query=_METHOD, body=OBJECT)(handler)
        return handler

    return declare


# "async" is a word of the language.
VendorMethod = TypedDict(
    "VendorMethod",
    {"async": bool, "attach": bool, "description": str, "http_methods": list[str], "require_exclusive_lock": bool},
)
"""What clients have to know of a vendor's method."""


class NodeVendorPassthruResource:
    """Vendors' methods for one node."""

    @route("GET", "/v1/nodes/{node}/vendor_passthru/methods", policy="baremetal:node:vendor_passthru", role="system-admin")
    def methods(self, request: APIRequest) -> dict[str, VendorMethod]:
        """List the vendor's methods of a node."""
        found: dict[str, VendorMethod] = request.rpc("node_vendor_methods", node=request.node().uuid)
        return found

    @_passthru("/v1/nodes/{node}/vendor_passthru", "baremetal:node:vendor_passthru", "system-admin")
    def call(self, request: APIRequest) -> Any:
        """Call a vendor's method of a node."""
        node = request.node()
        return _answered(request, request.rpc("vendor_passthru", node=node.uuid, **_asked(request)))


class DriverVendorPassthruResource:
    """Vendors' methods that need no node."""

    @route("GET", "/v1/drivers/{driver}/vendor_passthru/methods", policy="baremetal:driver:vendor_passthru", role="system-admin")
    def methods(self, request: APIRequest) -> dict[str, VendorMethod]:
        """List the vendor's methods of a hardware type."""
        found: dict[str, VendorMethod] = request.rpc("driver_vendor_methods", driver=require_offered_driver(request))
        return found

    @_passthru("/v1/drivers/{driver}/vendor_passthru", "baremetal:driver:vendor_passthru", "system-admin")
    def call(self, request: APIRequest) -> Any:
        """Call a vendor's method of a hardware type."""
        return _answered(
            request, request.rpc("driver_vendor_passthru", driver=require_offered_driver(request), **_asked(request))
        )


def _asked(request: APIRequest) -> dict[str, Any]:
    name = request.arguments.get("method") or request.query.get("method")
    if name is None:
        raise InvalidInput(
            [Problem("method", "it is missing", "give the name of a method; .../vendor_passthru/methods lists them")]
        )
    return {"name": name, "http_method": request.route.method, "arguments": request.body}


def _answered(request: APIRequest, outcome: dict[str, Any]) -> Any:
    """202 for work in the background; else 200 with a result, or 204 where there is none."""
    if outcome["background"]:
        request.status = 202
    elif outcome["result"] is None:
        request.status = 204
    return outcome["result"]
