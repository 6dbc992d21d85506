"""The traits of nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from baremetal_interfaces import InvalidInput, NotFound, Problem
from baremetal_sdk.errors import RevisionConflict
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.store.protocol import Store

MOST = 50
"""Traits of one node, at most: clients know this limit."""
_ATTEMPTS = 5


class NodeTraits:
    """Changes the traits of a node that nobody holds."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @rpc_method("1.0")
    def set_node_traits(self, node: str, traits: Iterable[str]) -> None:
        """Give a node exactly these traits."""
        wanted = set(traits)
        self._change(node, lambda present: wanted)

    @rpc_method("1.0")
    def add_node_trait(self, node: str, trait: str) -> None:
        """Give a node a trait that it may have already."""
        self._change(node, lambda present: present | {trait})

    @rpc_method("1.0")
    def remove_node_trait(self, node: str, trait: str) -> None:
        """Take a trait from a node. Raises ``NotFound`` where it does not have it."""

        def without(present: set[str]) -> set[str]:
            if trait not in present:
                raise NotFound(f"node {node} has no trait {trait!r}", node=node, trait=trait)
            return present - {trait}

        self._change(node, without)

    def _change(self, node: str, change: Callable[[set[str]], set[str]]) -> None:
        for attempt in range(_ATTEMPTS):
            record = self._store.node(node)
            wanted = tuple(sorted(change(set(record.traits))))
            if len(wanted) > MOST:
                raise InvalidInput([Problem("traits", f"there would be {len(wanted)}", f"allowed are {MOST} at most")])
            try:
                self._store.update_node(record.uuid, {"traits": wanted}, fence=None, revision=record.revision)
                return
            except RevisionConflict:
                if attempt == _ATTEMPTS - 1:
                    raise
