"""API resource ``/v1/shards``: shards, the groups into which clients divide the nodes."""

from __future__ import annotations

from typing import TypedDict

from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route


class Shard(TypedDict):
    """A shard and its number of nodes."""

    name: str
    count: int


class ListedShards(TypedDict):
    """A response with all shards."""

    shards: list[Shard]


class ShardsResource:
    """Route that lists shards. A shard exists as long as a node has its name in the field ``shard``."""

    @route("GET", "/v1/shards", policy="baremetal:shards:get", role="system-reader", since=82)
    def list(self, request: APIRequest) -> ListedShards:
        """List the shards with their number of nodes. Nodes without a shard are counted under "None"."""
        counts = request.backend.store.shards(scope=request.scope)
        # Clients of Ironic expect the text "None" for nodes without a shard.
        return {"shards": [{"name": str(shard), "count": count} for shard, count in counts]}
