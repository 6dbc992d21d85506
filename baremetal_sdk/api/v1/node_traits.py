"""API resource ``/v1/nodes/{node}/traits``: traits, which name special capabilities of a machine."""

from __future__ import annotations

from typing import Annotated, TypedDict

from baremetal_sdk.api.framework.parameters import Parameter
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.v1.trait_values import TRAITS, parse_path_trait

_SINCE = 37


class Traits(TypedDict):
    """A response with the traits of a node or runbook."""

    traits: Annotated[list[str], TRAITS.schema]


class NodeTraitsResource:
    """Routes that list, replace, add and remove the traits of nodes."""

    @route("GET", "/v1/nodes/{node}/traits", policy="baremetal:node:traits:list", since=_SINCE, too_old_status=406)
    def list(self, request: APIRequest) -> Traits:
        """List the traits of a node."""
        return {"traits": list(request.node().traits)}

    @route(
        "PUT",
        "/v1/nodes/{node}/traits",
        policy="baremetal:node:traits:set",
        role="owner-manager",
        since=_SINCE,
        too_old_status=405,
        status=204,
        body=(Parameter("traits", TRAITS, "All traits of the node. They replace the current ones.", required=True),),
    )
    def replace(self, request: APIRequest) -> None:
        """Replace all traits of a node."""
        request.rpc("set_node_traits", node=request.node().uuid, traits=request.body["traits"])

    @route(
        "DELETE",
        "/v1/nodes/{node}/traits",
        policy="baremetal:node:traits:delete",
        role="owner-manager",
        since=_SINCE,
        status=204,
    )
    def clear(self, request: APIRequest) -> None:
        """Remove all traits from a node."""
        request.rpc("set_node_traits", node=request.node().uuid, traits=[])

    @route(
        "PUT",
        "/v1/nodes/{node}/traits/{trait}",
        policy="baremetal:node:traits:set",
        role="owner-manager",
        since=_SINCE,
        too_old_status=405,
        status=204,
        body=(),
    )
    def add(self, request: APIRequest) -> None:
        """Add a trait to a node. The request succeeds if the node has the trait already."""
        node, trait = request.node(), parse_path_trait(request.arguments["trait"])
        request.rpc("add_node_trait", node=node.uuid, trait=trait)
        request.location = f"nodes/{request.arguments['node']}/traits/{trait}"

    @route(
        "DELETE",
        "/v1/nodes/{node}/traits/{trait}",
        policy="baremetal:node:traits:delete",
        role="owner-manager",
        since=_SINCE,
        status=204,
    )
    def remove(self, request: APIRequest) -> None:
        """Remove a trait from a node."""
        request.rpc("remove_node_trait", node=request.node().uuid, trait=request.arguments["trait"])
