"""Who may do what: asked for each request, by rule, context and target."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from baremetal_interfaces import Forbidden
from baremetal_sdk.api.access.personas import ANYBODY, own_target
from baremetal_sdk.context import RequestContext
from baremetal_sdk.store.records.query import Scope

LOG = logging.getLogger("baremetal_sdk.api.policy")
"""Decision log, level DEBUG. The name is fixed because operators configure it; the documentation states it."""
STEP = "baremetal:step:execute:"
"""What the rule of a step begins with, before ``<interface>.<step>``; steps without one are for all who may send steps."""
_OF_NODES = ("node", "port", "portgroup", "volume")
_OWNED = ("allocation", "runbook")


class Policy(Protocol):
    """Answers what a caller may see, and whether it may do something to one target.

    A target is ``node.owner`` and ``node.lessee`` of a node and of what belongs to one; ``allocation.owner``, ``runbook.owner``.
    """

    def scope(self, rule: str, context: RequestContext) -> Scope:
        """What the caller may see of what *rule* is about. Raises ``Forbidden`` when it may do nothing of the kind."""

    def enforce(self, rule: str, context: RequestContext, target: Mapping[str, Any]) -> None:
        """Raise ``Forbidden`` unless the caller may do what *rule* is about to *target*."""

    def allows(self, rule: str, context: RequestContext, target: Mapping[str, Any]) -> bool:
        """Whether the caller may; nothing is said of it in the log."""


class AllowAll:
    """Everybody may do everything: what ``auth_strategy = noauth`` means."""

    def scope(self, rule: str, context: RequestContext) -> Scope:
        """All."""
        return Scope.ALL

    def enforce(self, rule: str, context: RequestContext, target: Mapping[str, Any]) -> None:
        """Allow it."""

    def allows(self, rule: str, context: RequestContext, target: Mapping[str, Any]) -> bool:
        """Allow it."""
        return True


class RuleBasedPolicy(ABC):
    """A policy that tells the log each decision with its reason. *rules*: rule -> the persona that it is for."""

    def __init__(self, rules: Mapping[str, str]) -> None:
        self.rules = rules

    @abstractmethod
    def allows(self, rule: str, context: RequestContext, target: Mapping[str, Any]) -> bool:
        """Whether the caller may."""

    @abstractmethod
    def required_roles(self, rule: str) -> str:
        """For whom a rule is, in words."""

    def scope(self, rule: str, context: RequestContext) -> Scope:
        """What the caller may see: what is its project's own, where it may not see the same of others. Raises ``Forbidden``."""
        if self.rules.get(rule) == ANYBODY:
            return Scope.ALL
        sees_all = self.allows(visibility_rule(rule), context, {})
        if not self.allows(rule, context, own_target(context)) or not (sees_all or context.project):
            raise self._refused(rule, context)
        self._explain(rule, context)
        return Scope.ALL if sees_all else Scope(context.project)

    def enforce(self, rule: str, context: RequestContext, target: Mapping[str, Any]) -> None:
        """Raise ``Forbidden`` unless the caller may."""
        if not self.allows(rule, context, target):
            raise self._refused(rule, context)
        self._explain(rule, context, target)

    def _explain(self, rule: str, context: RequestContext, target: Mapping[str, Any] | None = None) -> None:
        if LOG.isEnabledFor(logging.DEBUG):
            what = "" if target is None else f" for {dict(target)}"
            LOG.debug("%s is allowed to %s%s: it is for %s", rule, describe_caller(context), what, self.required_roles(rule))

    def _refused(self, rule: str, context: RequestContext) -> Forbidden:
        why = f"it is for {self.required_roles(rule)}; you have {_roles(context)} in {_place(context)}"
        LOG.debug("%s is refused to %s: %s", rule, describe_caller(context), why)
        return Forbidden(f"{rule} is not allowed: {why}", rule=rule)


def step_rules(steps: Iterable[Mapping[str, Any]]) -> list[str]:
    """The rules of steps, which a policy file may have."""
    return [f"{STEP}{step['interface']}.{step['step']}" for step in steps]


def visibility_rule(rule: str) -> str:
    """The rule that says, asked for nobody's target, whether somebody sees everything of the kind that *rule* is about."""
    kind, _, what = rule.removeprefix("baremetal:").partition(":")
    if what == "list":
        return f"{rule}_all"
    if kind in _OF_NODES:
        return "baremetal:node:get"
    return f"baremetal:{kind}:get" if kind in _OWNED else rule


def describe_caller(context: RequestContext) -> str:
    """Who asks, for the log."""
    return f"user {context.user!r} with {sorted(context.roles)} in {_place(context)}"


def _place(context: RequestContext) -> str:
    return "the whole system" if context.is_system else "no project" if context.project is None else f"project {context.project}"


def _roles(context: RequestContext) -> str:
    return ", ".join(sorted(context.roles)) or "no role"
