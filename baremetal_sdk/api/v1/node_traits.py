"""``/v1/nodes/{node}/traits``: what is special about a machine."""

from __future__ import annotations

from typing import Annotated, TypedDict

from baremetal_sdk.api.framework.parameters import Parameter
from baremetal_sdk.api.framework.request import Call
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.v1.trait_values import TRAITS, trait_of_path

_SINCE = 37


class Traits(TypedDict):
    """Traits of something."""

    traits: Annotated[list[str], TRAITS.schema]


class NodeTraits:
    """The traits of nodes."""

    @route("GET", "/v1/nodes/{node}/traits", policy="baremetal:node:traits:list", since=_SINCE, too_old=406)
    def list(self, call: Call) -> Traits:
        """List the traits of a node."""
        return {"traits": list(call.node().traits)}

    @route(
        "PUT",
        "/v1/nodes/{node}/traits",
        policy="baremetal:node:traits:set",
        role="owner-manager",
        since=_SINCE,
        too_old=405,
        status=204,
        body=(Parameter("traits", TRAITS, "The traits that it is to have.", required=True),),
    )
    def replace(self, call: Call) -> None:
        """Give a node exactly these traits."""
        call.rpc("set_node_traits", node=call.node().uuid, traits=call.body["traits"])

    @route(
        "DELETE",
        "/v1/nodes/{node}/traits",
        policy="baremetal:node:traits:delete",
        role="owner-manager",
        since=_SINCE,
        status=204,
    )
    def clear(self, call: Call) -> None:
        """Take all traits from a node."""
        call.rpc("set_node_traits", node=call.node().uuid, traits=[])

    @route(
        "PUT",
        "/v1/nodes/{node}/traits/{trait}",
        policy="baremetal:node:traits:set",
        role="owner-manager",
        since=_SINCE,
        too_old=405,
        status=204,
        body=(),
    )
    def add(self, call: Call) -> None:
        """Give a node a trait that it may have already."""
        node, trait = call.node(), trait_of_path(call.arguments["trait"])
        call.rpc("add_node_trait", node=node.uuid, trait=trait)
        call.location = f"nodes/{call.arguments['node']}/traits/{trait}"

    @route(
        "DELETE",
        "/v1/nodes/{node}/traits/{trait}",
        policy="baremetal:node:traits:delete",
        role="owner-manager",
        since=_SINCE,
        status=204,
    )
    def remove(self, call: Call) -> None:
        """Take a trait from a node that has it."""
        call.rpc("remove_node_trait", node=call.node().uuid, trait=call.arguments["trait"])
