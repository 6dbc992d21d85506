"""Types of the update rules, and the check of a change against them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from baremetal_interfaces import BareMetalError
from baremetal_sdk import states
from baremetal_sdk.errors import InvalidState
from baremetal_sdk.store.records.node import NodeRecord


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change that a client requests, with everything by which the rules decide about it."""

    node: NodeRecord
    """The node before the change: the changed node itself, or the node to which the changed record belongs."""
    record: Any = None
    """The changed record before the change. None for a change of the node itself."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Field -> new value. Empty for the deletion of a record."""
    minor: int | None = None
    """The minor number of the request's microversion. None if the caller does not know it."""
    circumstances: frozenset[Circumstance] = frozenset()
    """The circumstances that hold and that the records do not tell."""


class Circumstance(NamedTuple):
    """A fact about the caller, other records or the configuration, which the code that checks a change finds out."""

    meaning: str


class Condition(NamedTuple):
    """A condition under which a rule applies: its *meaning* for the documentation, and the test of a change."""

    meaning: str
    holds: Callable[[Change], bool]


def circumstance(fact: Circumstance) -> Condition:
    """Return the condition that the circumstance *fact* holds."""
    return Condition(fact.meaning, lambda change: fact in change.circumstances)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One row of the table: a change of any of *fields* is refused with *error*, except in the states that allow it."""

    fields: tuple[str, ...] = ()
    """The fields to which the rule applies. Empty: the rule applies to any change, and to deletions."""
    allowed: frozenset[str] = frozenset()
    """The provision states of the node that allow the change. Empty: no state does."""
    in_maintenance: bool = False
    """True if the node's maintenance allows the change in every state."""
    when: Condition | None = None
    """The condition under which the rule applies. None: always."""
    error: type[BareMetalError] = InvalidState
    text: str
    """The error message, a template with the values that :func:`_build_error` fills in."""
    before_values: bool = False
    """True if the rule is checked before the values of a patch are read, because it depends on the touched fields only."""

    def refuses(self, change: Change) -> bool:
        """Return whether the rule refuses *change*."""
        return (
            (not self.fields or any(name in change.values for name in self.fields))
            and change.node.provision_state not in self.allowed
            and not (self.in_maintenance and change.node.maintenance)
            and (self.when is None or self.when.holds(change))
        )


@dataclass(frozen=True, kw_only=True)
class OperationRules:
    """All rules of one operation on one kind of record, in the order in which they are checked."""

    resource: str
    """The label of the records, as in ``RECORD_KINDS``, or "node", "port", "trait" and "VIF"."""
    name: str
    """What the operation does: "update", "delete" and so on."""
    needs_lock: bool
    """True if the operation is refused with 409 while a task holds the node."""
    rules: tuple[Rule, ...] = ()
    unrestricted: tuple[str, ...] = ()
    """The fields that have no rule of their own. Rules without fields apply to them as well."""

    def check(self, change: Change) -> None:
        """Raise the error of the first rule that refuses *change*."""
        self._check(change, self.rules)

    def check_before_values(self, change: Change) -> None:
        """Raise the error of the first rule that refuses *change* by the fields that it touches.

        The values of ``change.values`` are those of the patch, not parsed, and None for a removal.
        """
        self._check(change, tuple(rule for rule in self.rules if rule.before_values))

    def fields(self) -> frozenset[str]:
        """Return all fields that the operation can change."""
        return frozenset(self.unrestricted).union(*(rule.fields for rule in self.rules))

    def _check(self, change: Change, rules: tuple[Rule, ...]) -> None:
        for rule in rules:
            if rule.refuses(change):
                raise _build_error(self, rule, change)


def list_states(allowed: frozenset[str]) -> str:
    """Return the names of *allowed* for a text: those of the excluded states if they are fewer."""
    if not allowed:
        return "no state"
    excluded = states.STATES - allowed
    if not excluded:
        return "every state"
    if len(excluded) < len(allowed):
        return "every state except " + ", ".join(sorted(excluded))
    return ", ".join(sorted(allowed))


def _build_error(operation: OperationRules, rule: Rule, change: Change) -> BareMetalError:
    node = change.node
    message = rule.text.format(
        fields=", ".join(name for name in rule.fields if name in change.values) or operation.resource,
        node=node.uuid,
        record=node.uuid if change.record is None else change.record.uuid,
        state=node.provision_state,
        power=node.power_state,
        instance=node.instance_uuid,
        reason=node.protected_reason or "no reason given",
        allowed=list_states(rule.allowed),
    )
    return rule.error(message)
