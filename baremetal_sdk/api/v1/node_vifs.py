"""API resource ``/v1/nodes/{node}/vifs``: attachment of virtual interfaces (VIFs) to the ports of a node."""

from __future__ import annotations

from typing import Any, TypedDict

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import OBJECT, UUID_OR_NAME, InvalidValue

SINCE = 28
PORT_SELECTION_SINCE = 67
"""The minor number of the first microversion that selects the port or port group of a VIF."""


class AttachedVIFs(TypedDict):
    """A response with the VIFs that are attached to a node, each with its ``id``."""

    vifs: list[dict[str, Any]]


class NodeVIFsResource:
    """Routes that list, attach and detach the virtual interfaces (VIFs) of nodes."""

    @route("GET", "/v1/nodes/{node}/vifs", policy="baremetal:node:vif:list", since=SINCE)
    def list(self, request: APIRequest) -> AttachedVIFs:
        """List the VIFs that are attached to a node."""
        return {"vifs": request.rpc("vif_list", node=request.node().uuid)}

    @route("POST", "/v1/nodes/{node}/vifs", policy="baremetal:node:vif:attach", status=204, since=SINCE, body=OBJECT)
    def attach(self, request: APIRequest) -> None:
        """Attach a VIF to a port or port group of a node. The body has the id of the VIF."""
        vif = {**request.body, "id": _parse_vif_ident(request.body.get("id"), "id")}
        if request.minor >= PORT_SELECTION_SINCE and "port_uuid" in vif and "portgroup_uuid" in vif:
            raise InvalidInput([Problem("port_uuid", "cannot be used together with portgroup_uuid", "use one of them")])
        request.rpc("vif_attach", node=request.node().uuid, vif=vif)

    @route("DELETE", "/v1/nodes/{node}/vifs/{vif}", policy="baremetal:node:vif:detach", status=204, since=SINCE)
    def detach(self, request: APIRequest) -> None:
        """Detach a VIF from a node."""
        request.rpc("vif_detach", node=request.node().uuid, vif_id=_parse_vif_ident(request.arguments["vif"], "vif"))


def _parse_vif_ident(value: Any, field: str) -> str:
    """Return the UUID or name of a VIF. Raises ``InvalidInput``, which names *field*."""
    if value is None:
        raise InvalidInput([Problem(field, "is missing", "give the UUID or name of a VIF")])
    try:
        return str(UUID_OR_NAME.parse(value))
    except InvalidValue as exc:
        raise InvalidInput([Problem(field, exc.wrong, exc.allowed)]) from None
