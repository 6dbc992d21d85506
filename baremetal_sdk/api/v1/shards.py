"""``/v1/shards``: the parts that nodes are divided into."""

from __future__ import annotations

from typing import TypedDict

from baremetal_sdk.api.framework.request import Call
from baremetal_sdk.api.framework.routes import route


class Shard(TypedDict):
    """How many nodes a shard has."""

    name: str
    count: int


class ListedShards(TypedDict):
    """All shards."""

    shards: list[Shard]


class Shards:
    """Shards. They are made by the nodes that name them."""

    @route("GET", "/v1/shards", policy="baremetal:shards:get", role="system-reader", since=82)
    def list(self, call: Call) -> ListedShards:
        """List the shards, with how many nodes each has; those that have none are counted under "None"."""
        counted = call.backend.store.shards(scope=call.scope)
        # As clients know it: a text, where there is no shard.
        return {"shards": [{"name": str(shard), "count": count} for shard, count in counted]}
