"""``/v1/shards``: the parts that nodes are divided into."""

from __future__ import annotations

from typing import TypedDict

from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route


class Shard(TypedDict):
    """How many nodes a shard has."""

    name: str
    count: int


class ListedShards(TypedDict):
    """All shards."""

    shards: list[Shard]


class ShardsResource:
    """Shards. They are made by the nodes that name them."""

    @route("GET", "/v1/shards", policy="baremetal:shards:get", role="system-reader", since=82)
    def list(self, request: APIRequest) -> ListedShards:
        """List the shards, with how many nodes each has; those that have none are counted under "None"."""
        counted = request.backend.store.shards(scope=request.scope)
        # As clients know it: a text, where there is no shard.
        return {"shards": [{"name": str(shard), "count": count} for shard, count in counted]}
