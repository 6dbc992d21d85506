"""Who may do what: asked for each request, by rule, context and target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from baremetal_sdk.context import RequestContext
from baremetal_sdk.store.query import Scope


class Policy(Protocol):
    """Answers two questions: what a caller may see, and whether it may do something to one target."""

    def scope(self, rule: str, context: RequestContext) -> Scope:
        """What the caller may see of what *rule* is about. Raises ``Forbidden`` when it may do nothing of the kind."""

    def enforce(self, rule: str, context: RequestContext, target: Mapping[str, Any]) -> None:
        """Raise ``Forbidden`` unless the caller may do what *rule* is about to *target*.

        That is ``node.owner`` and ``node.lessee`` of a node and of what belongs to one; ``allocation.owner``, ``runbook.owner``.
        """


class AllowAll:
    """Everybody may do everything: what ``auth_strategy = noauth`` means."""

    def scope(self, rule: str, context: RequestContext) -> Scope:
        """All."""
        return Scope.ALL

    def enforce(self, rule: str, context: RequestContext, target: Mapping[str, Any]) -> None:
        """Allow it."""
