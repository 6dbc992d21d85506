"""RPC methods for the traits of nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from baremetal_interfaces import InvalidInput, NotFound, Problem
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.revisions import retry_on_revision_conflict

MAX_TRAITS = 50
"""Maximum number of traits of a node. Clients rely on this limit."""


class NodeTraits:
    """RPC service that changes the traits of nodes. Its methods raise ``NodeLocked`` while a task holds the node."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @rpc_method("1.0")
    def set_node_traits(self, node: str, traits: Iterable[str]) -> None:
        """Replace all traits of a node by *traits*. Raises ``InvalidInput`` for more than :data:`MAX_TRAITS`."""
        wanted = set(traits)
        self._change(node, lambda present: wanted)

    @rpc_method("1.0")
    def add_node_trait(self, node: str, trait: str) -> None:
        """Add a trait to a node. Do nothing if the node already has it."""
        self._change(node, lambda present: present | {trait})

    @rpc_method("1.0")
    def remove_node_trait(self, node: str, trait: str) -> None:
        """Remove a trait from a node. Raises ``NotFound`` if the node does not have it."""

        def remove(present: set[str]) -> set[str]:
            if trait not in present:
                raise NotFound(f"node {node} has no trait {trait!r}", node=node, trait=trait)
            return present - {trait}

        self._change(node, remove)

    def _change(self, node: str, compute: Callable[[set[str]], set[str]]) -> None:
        """Replace the traits of a node by the result of *compute*, which gets the present ones.

        Read the node and call *compute* again if another writer has changed the node since.
        """

        def change() -> None:
            record = self._store.node(node)
            traits = tuple(sorted(compute(set(record.traits))))
            if len(traits) > MAX_TRAITS:
                wrong = f"the node would have {len(traits)} traits"
                raise InvalidInput([Problem("traits", wrong, f"{MAX_TRAITS} are allowed")])
            self._store.update_node(record.uuid, {"traits": traits}, fence=None, revision=record.revision)

        retry_on_revision_conflict(change)
