"""API resources ``vendor_passthru``: methods of drivers for functions of a vendor's machines that the API does not cover."""

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
_METHOD = (Parameter("method", text(255, 1), "The name of the vendor method."),)


def _passthru_routes(path: str, policy: str, role: Persona) -> Callable[[F], F]:
    """Declare the decorated handler for all HTTP methods.

    The name of the vendor method is in the query or at the end of the path.
    """

    def declare(handler: F) -> F:
        for method in reversed(HTTP_METHODS):
            handler = route(method, path + "/{method}", policy=policy, role=role, body=OBJECT)(handler)
            handler = route(method, path, policy=policy, role=role, query=_METHOD, body=OBJECT)(handler)
        return handler

    return declare


# "async" is a keyword of Python, so the class syntax cannot declare this field.
VendorMethod = TypedDict(
    "VendorMethod",
    {"async": bool, "attach": bool, "description": str, "http_methods": list[str], "require_exclusive_lock": bool},
)
"""The properties of a vendor method. *async* is true if the method runs in the background."""


class NodeVendorPassthruResource:
    """Routes that list and call the vendor methods of nodes."""

    @route("GET", "/v1/nodes/{node}/vendor_passthru/methods", policy="baremetal:node:vendor_passthru", role="system-admin")
    def methods(self, request: APIRequest) -> dict[str, VendorMethod]:
        """List the vendor methods of a node, which its driver provides."""
        methods: dict[str, VendorMethod] = request.rpc("node_vendor_methods", node=request.node().uuid)
        return methods

    @_passthru_routes("/v1/nodes/{node}/vendor_passthru", "baremetal:node:vendor_passthru", "system-admin")
    def call(self, request: APIRequest) -> Any:
        """Call a vendor method of a node."""
        node = request.node()
        return _build_response(request, request.rpc("vendor_passthru", node=node.uuid, **_describe_call(request)))


class DriverVendorPassthruResource:
    """Routes that list and call the vendor methods of hardware types, which need no node."""

    @route("GET", "/v1/drivers/{driver}/vendor_passthru/methods", policy="baremetal:driver:vendor_passthru", role="system-admin")
    def methods(self, request: APIRequest) -> dict[str, VendorMethod]:
        """List the vendor methods of a hardware type."""
        found: dict[str, VendorMethod] = request.rpc("driver_vendor_methods", driver=require_offered_driver(request))
        return found

    @_passthru_routes("/v1/drivers/{driver}/vendor_passthru", "baremetal:driver:vendor_passthru", "system-admin")
    def call(self, request: APIRequest) -> Any:
        """Call a vendor method of a hardware type."""
        return _build_response(
            request, request.rpc("driver_vendor_passthru", driver=require_offered_driver(request), **_describe_call(request))
        )


def _describe_call(request: APIRequest) -> dict[str, Any]:
    """Return the arguments of an RPC call that calls a vendor method. Raises ``InvalidInput`` if the request names no method."""
    name = request.arguments.get("method") or request.query.get("method")
    if name is None:
        raise InvalidInput([Problem("method", "is missing", "give the name of a method; .../vendor_passthru/methods lists them")])
    return {"name": name, "http_method": request.route.method, "arguments": request.body}


def _build_response(request: APIRequest, outcome: dict[str, Any]) -> Any:
    """Return the result of a vendor method, and set the status of the response.

    The status is 202 for a method that runs in the background, 204 for a method without a result, otherwise 200.
    """
    if outcome["background"]:
        request.status = 202
    elif outcome["result"] is None:
        request.status = 204
    return outcome["result"]
