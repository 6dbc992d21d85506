"""Policies, which decide whether a rule allows a client to act on a target, and which records the client sees."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from baremetal_interfaces import Forbidden
from baremetal_sdk.api.access.personas import ANYBODY, own_target
from baremetal_sdk.context import RequestContext
from baremetal_sdk.logs import get_logger
from baremetal_sdk.store.records.query import Scope

LOG = get_logger("baremetal_sdk.api.policy")
"""Logger of the policy decisions, with level DEBUG. The name is fixed, because operators configure it."""
STEP = "baremetal:step:execute:"
"""Prefix of the names of rules for steps, followed by ``<interface>.<step>``. A step without a rule has no restriction."""
_NODE_KINDS = ("node", "port", "portgroup", "volume")
"""The kinds of records that a client sees if it sees their node."""
_OWNED_KINDS = ("allocation", "runbook")
"""The kinds of records that have an owner themselves, independent of a node."""


class Policy(Protocol):
    """Decides which records a client may see, and whether it may act on a target.

    A target maps attribute names to values: ``node.owner`` and ``node.lessee`` for a node and the records that belong to it,
    ``allocation.owner`` for an allocation, ``runbook.owner`` for a runbook. Implementations must be thread-safe.
    """

    def scope(self, rule: str, context: RequestContext) -> Scope:
        """Return the records that the client may see under *rule*. Raises ``Forbidden`` if the rule allows none."""

    def enforce(self, rule: str, context: RequestContext, target: Mapping[str, Any]) -> None:
        """Raise ``Forbidden`` unless *rule* allows the client to act on *target*."""

    def allows(self, rule: str, context: RequestContext, target: Mapping[str, Any]) -> bool:
        """Return whether *rule* allows the client to act on *target*. This writes nothing to the decision log."""


class AllowAll:
    """The policy of ``auth_strategy = noauth``: all requests are allowed."""

    def scope(self, rule: str, context: RequestContext) -> Scope:
        """Return the scope of all records."""
        return Scope.ALL

    def enforce(self, rule: str, context: RequestContext, target: Mapping[str, Any]) -> None:
        """Allow the request."""

    def allows(self, rule: str, context: RequestContext, target: Mapping[str, Any]) -> bool:
        """Return True."""
        return True


class RuleBasedPolicy(ABC):
    """Base class of policies with rules, which log each decision with its reason. *rules* maps each rule to its persona."""

    def __init__(self, rules: Mapping[str, str]) -> None:
        self.rules = rules

    @abstractmethod
    def allows(self, rule: str, context: RequestContext, target: Mapping[str, Any]) -> bool:
        """Return whether *rule* allows the client to act on *target*."""

    @abstractmethod
    def required_roles(self, rule: str) -> str:
        """Return the roles that *rule* requires, in words for error messages and the decision log."""

    def scope(self, rule: str, context: RequestContext) -> Scope:
        """Return all records if the client may see those of all projects, else those of its project.

        Raises ``Forbidden`` if *rule* does not even allow the project's own records.
        """
        if self.rules.get(rule) == ANYBODY:
            return Scope.ALL
        # An empty target belongs to no project, so only rights in the whole system reach it.
        sees_all = self.allows(visibility_rule(rule), context, {})
        if not self.allows(rule, context, own_target(context)) or not (sees_all or context.project):
            raise self._forbidden_error(rule, context)
        self._explain(rule, context)
        return Scope.ALL if sees_all else Scope(context.project)

    def enforce(self, rule: str, context: RequestContext, target: Mapping[str, Any]) -> None:
        """Raise ``Forbidden`` unless *rule* allows the client to act on *target*."""
        if not self.allows(rule, context, target):
            raise self._forbidden_error(rule, context)
        self._explain(rule, context, target)

    def _explain(self, rule: str, context: RequestContext, target: Mapping[str, Any] | None = None) -> None:
        if LOG.isEnabledFor(logging.DEBUG):
            subject = "" if target is None else f" for {dict(target)}"
            LOG.debug("%s allowed for %s%s: it requires %s", rule, describe_caller(context), subject, self.required_roles(rule))

    def _forbidden_error(self, rule: str, context: RequestContext) -> Forbidden:
        reason = f"it requires {self.required_roles(rule)}; you have {_roles(context)} in {_place(context)}"
        LOG.debug("%s refused for %s: %s", rule, describe_caller(context), reason)
        return Forbidden(f"{rule} is not allowed: {reason}", rule=rule)


def step_rules(steps: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of the policy rules for *steps*, one for each step. Only a policy file can define these rules."""
    return [f"{STEP}{step['interface']}.{step['step']}" for step in steps]


def visibility_rule(rule: str) -> str:
    """Return the rule that decides whether a client that may use *rule* sees the records of all projects."""
    kind, _, action = rule.removeprefix("baremetal:").partition(":")
    if action == "list":
        return f"{rule}_all"
    if kind in _NODE_KINDS:
        return "baremetal:node:get"
    return f"baremetal:{kind}:get" if kind in _OWNED_KINDS else rule


def describe_caller(context: RequestContext) -> str:
    """Return a description of the client for the decision log: its user, roles and project."""
    return f"user {context.user!r} with {sorted(context.roles)} in {_place(context)}"


def _place(context: RequestContext) -> str:
    return "the whole system" if context.is_system else "no project" if context.project is None else f"project {context.project}"


def _roles(context: RequestContext) -> str:
    return ", ".join(sorted(context.roles)) or "no role"
