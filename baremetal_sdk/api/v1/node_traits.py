"""``/v1/nodes/{node}/traits``: what is special about a machine."""

from __future__ import annotations

from typing import Annotated, TypedDict

from baremetal_sdk.api.framework.parameters import Parameter
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.v1.trait_values import TRAITS, trait_of_path

_SINCE = 37


class Traits(TypedDict):
    """Traits of something."""

    traits: Annotated[list[str], TRAITS.schema]


class NodeTraitsResource:
    """The traits of nodes."""

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
        body=(Parameter("traits", TRAITS, "The traits that it is to have.", required=True),),
    )
    def replace(self, request: APIRequest) -> None:
        """Give a node exactly these traits."""
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
        """Take all traits from a node."""
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
        """Give a node a trait that it may have already."""
        node, trait = request.node(), trait_of_path(request.arguments["trait"])
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
        """Take a trait from a node that has it."""
        request.rpc("remove_node_trait", node=request.node().uuid, trait=request.arguments["trait"])
