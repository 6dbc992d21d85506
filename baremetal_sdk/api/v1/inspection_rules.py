"""API resource ``/v1/inspection_rules``: rules that process the results of inspections, for example to set node fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.framework.crud import CRUDResource, Operation
from baremetal_sdk.api.framework.parameters import Parameter, optional
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.resource_fields import WritableFields
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import ARRAY, BOOLEAN, TEXT, UUID, integer
from baremetal_sdk.api.framework.views import View, ViewField
from baremetal_sdk.inspection_rules.language import find_problems
from baremetal_sdk.store.records.policy import InspectionRuleRecord

_SINCE = 96


def _render_operations(request: APIRequest, operations: Any, sensitive: bool) -> list[dict[str, Any]] | None:
    """Return the conditions or actions of a rule, or None if the rule is sensitive."""
    return None if sensitive else list(operations)


RULE_VIEW = View(
    "inspection_rules",
    InspectionRuleRecord,
    (
        ViewField("uuid", type=UUID),
        ViewField("created_at"),
        ViewField("updated_at"),
        ViewField("actions", 1, ("actions", "sensitive"), _render_operations, sortable=False),
        ViewField("conditions", 1, ("conditions", "sensitive"), _render_operations, sortable=False),
        ViewField("description"),
        ViewField("phase"),
        ViewField("priority"),
        ViewField("sensitive"),
    ),
    default=("uuid", "priority", "phase", "description"),
)
_FIELDS = WritableFields(
    InspectionRuleRecord,
    Parameter("actions", ARRAY, "The actions of the rule, in order."),
    optional(
        "conditions", ARRAY, "The conditions of the rule. All of them must hold; without conditions the actions always run."
    ),
    optional("description", TEXT, "A description in free text."),
    optional("phase", TEXT, "The phase of the inspection. The only phase is main."),
    optional("priority", integer(), "The priority, from 0 to 9999. Rules with a higher priority run first."),
    optional("sensitive", BOOLEAN, "True to hide actions and conditions in all responses. It cannot be turned off later."),
    required=("actions",),
)


class InspectionRulesResource(CRUDResource):
    """Routes of inspection rules. The rules run after each inspection, those with the highest priority first."""

    view = RULE_VIEW
    fields = _FIELDS
    argument, singular, plural = "rule", "an inspection rule", "inspection rules"
    since = _SINCE
    filters = (Parameter("phase", TEXT, "The phase of the inspection."),)
    operations = (
        Operation(name="list", policy="baremetal:inspection_rule:get", role="system-reader"),
        Operation(name="show", policy="baremetal:inspection_rule:get", role="system-reader"),
        Operation(name="create", policy="baremetal:inspection_rule:create", role="system-admin", too_old_status=405),
        Operation(name="update", policy="baremetal:inspection_rule:update", role="system-admin", too_old_status=405),
        Operation(name="delete", policy="baremetal:inspection_rule:delete", role="system-admin", too_old_status=405),
    )

    @route(
        "DELETE",
        "/v1/inspection_rules",
        policy="baremetal:inspection_rule:delete",
        role="system-admin",
        since=_SINCE,
        too_old_status=405,
        status=204,
    )
    def delete_all(self, request: APIRequest) -> None:
        """Delete all inspection rules."""
        request.rpc("delete_inspection_rules")

    def where(self, request: APIRequest) -> Mapping[str, Any]:
        """Return the condition for the phase in the query. Without it all rules are listed."""
        return {"phase": request.query.get("phase")}

    def prepare(self, request: APIRequest, values: dict[str, Any]) -> None:
        """Raise ``InvalidInput`` if the new rule is invalid."""
        _check_rule(values)

    def check_changes(self, request: APIRequest, rule: InspectionRuleRecord, changes: dict[str, Any]) -> None:
        """Raise ``InvalidInput`` if the changed rule is invalid.

        A sensitive rule stays sensitive, because its content must not become visible.
        """
        if rule.sensitive and changes.get("sensitive") is False:
            raise InvalidInput([Problem("sensitive", "cannot be turned off", "delete the rule and create another one")])
        _check_rule({**vars(rule), **changes})


def _check_rule(rule: Mapping[str, Any]) -> None:
    problems = find_problems(rule)
    if problems:
        raise InvalidInput(problems)
