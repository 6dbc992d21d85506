"""``vendor_passthru``: what one vendor's machines can do and the API has no word for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict, TypeVar

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.access.personas import Persona
from baremetal_sdk.api.framework.parameters import Parameter
from baremetal_sdk.api.framework.request import Call
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import OBJECT, text
from baremetal_sdk.api.v1.drivers import offered_driver

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


class NodeVendorPassthru:
    """Vendors' methods for one node."""

    @route("GET", "/v1/nodes/{node}/vendor_passthru/methods", policy="baremetal:node:vendor_passthru", role="system-admin")
    def methods(self, call: Call) -> dict[str, VendorMethod]:
        """List the vendor's methods of a node."""
        found: dict[str, VendorMethod] = call.rpc("node_vendor_methods", node=call.node().uuid)
        return found

    @_passthru("/v1/nodes/{node}/vendor_passthru", "baremetal:node:vendor_passthru", "system-admin")
    def call(self, call: Call) -> Any:
        """Call a vendor's method of a node."""
        node = call.node()
        return _answered(call, call.rpc("vendor_passthru", node=node.uuid, **_asked(call)))


class DriverVendorPassthru:
    """Vendors' methods that need no node."""

    @route("GET", "/v1/drivers/{driver}/vendor_passthru/methods", policy="baremetal:driver:vendor_passthru", role="system-admin")
    def methods(self, call: Call) -> dict[str, VendorMethod]:
        """List the vendor's methods of a hardware type."""
        found: dict[str, VendorMethod] = call.rpc("driver_vendor_methods", driver=offered_driver(call))
        return found

    @_passthru("/v1/drivers/{driver}/vendor_passthru", "baremetal:driver:vendor_passthru", "system-admin")
    def call(self, call: Call) -> Any:
        """Call a vendor's method of a hardware type."""
        return _answered(call, call.rpc("driver_vendor_passthru", driver=offered_driver(call), **_asked(call)))


def _asked(call: Call) -> dict[str, Any]:
    name = call.arguments.get("method") or call.query.get("method")
    if name is None:
        raise InvalidInput(
            [Problem("method", "it is missing", "give the name of a method; .../vendor_passthru/methods lists them")]
        )
    return {"name": name, "http_method": call.route.method, "arguments": call.body}


def _answered(call: Call, outcome: dict[str, Any]) -> Any:
    """202 for work in the background; else 200 with a result, or 204 where there is none."""
    if outcome["background"]:
        call.status = 202
    elif outcome["result"] is None:
        call.status = 204
    return outcome["result"]
