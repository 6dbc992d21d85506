"""``/v1/inspection_rules``: what is done with what an inspection finds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.framework import crud
from baremetal_sdk.api.framework.pagination import DETAIL, FIELDS, PAGING, render_record
from baremetal_sdk.api.framework.parameters import Parameter, optional
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.resource_fields import WritableFields
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import ARRAY, BOOLEAN, TEXT, UUID, integer
from baremetal_sdk.api.framework.views import ResponseSpec, View, ViewField
from baremetal_sdk.inspection_rules.language import problems_of
from baremetal_sdk.store.records.policy import InspectionRuleRecord

_SINCE = 96


def _unless_sensitive(request: APIRequest, operations: Any, sensitive: bool) -> list[dict[str, Any]] | None:
    """Conditions and actions; those of a sensitive rule are shown to nobody."""
    return None if sensitive else list(operations)


RULE_VIEW = View(
    "inspection_rules",
    InspectionRuleRecord,
    (
        ViewField("uuid", type=UUID),
        ViewField("created_at"),
        ViewField("updated_at"),
        ViewField("actions", 1, ("actions", "sensitive"), _unless_sensitive, sortable=False),
        ViewField("conditions", 1, ("conditions", "sensitive"), _unless_sensitive, sortable=False),
        ViewField("description"),
        ViewField("phase"),
        ViewField("priority"),
        ViewField("sensitive"),
    ),
    default=("uuid", "priority", "phase", "description"),
)
_FIELDS = WritableFields(
    InspectionRuleRecord,
    Parameter("actions", ARRAY, "What is done, in order."),
    optional("conditions", ARRAY, "What has to hold for it; without any it is always done."),
    optional("description", TEXT, "What people should know about it."),
    optional("phase", TEXT, "The phase of the inspection: main."),
    optional("priority", integer(), "Rules of a higher one run first; 0 to 9999."),
    optional("sensitive", BOOLEAN, "Whether its content is shown to nobody; it cannot be taken back."),
    required=("actions",),
)


class InspectionRulesResource:
    """Inspection rules, one by one and page by page."""

    @route(
        "GET",
        "/v1/inspection_rules",
        policy="baremetal:inspection_rule:get",
        role="system-reader",
        since=_SINCE,
        query=(Parameter("phase", TEXT, "The phase of the inspection."), *PAGING, FIELDS, DETAIL),
        response=ResponseSpec(RULE_VIEW, page=True),
    )
    def list(self, request: APIRequest) -> dict[str, Any]:
        """List inspection rules."""
        return crud.list_records(request, InspectionRuleRecord, RULE_VIEW, {"phase": request.query.get("phase")})

    @route(
        "GET",
        "/v1/inspection_rules/{rule}",
        policy="baremetal:inspection_rule:get",
        role="system-reader",
        since=_SINCE,
        query=(FIELDS,),
        response=ResponseSpec(RULE_VIEW),
    )
    def show(self, request: APIRequest) -> dict[str, Any]:
        """Show an inspection rule."""
        return render_record(request, RULE_VIEW, crud.find(request, InspectionRuleRecord, "rule"))

    @route(
        "POST",
        "/v1/inspection_rules",
        policy="baremetal:inspection_rule:create",
        role="system-admin",
        since=_SINCE,
        too_old_status=405,
        status=201,
        body=_FIELDS.creation_fields,
        response=ResponseSpec(RULE_VIEW, whole=True),
    )
    def create(self, request: APIRequest) -> dict[str, Any]:
        """Create an inspection rule."""
        values = _FIELDS.new_values(request.body)
        _check(values)
        return crud.create(request, InspectionRuleRecord, RULE_VIEW, values)

    @route(
        "PATCH",
        "/v1/inspection_rules/{rule}",
        policy="baremetal:inspection_rule:update",
        role="system-admin",
        since=_SINCE,
        too_old_status=405,
        body=_FIELDS.patch_type,
        response=ResponseSpec(RULE_VIEW, whole=True),
    )
    def update(self, request: APIRequest) -> dict[str, Any]:
        """Change fields of an inspection rule."""
        rule = crud.find(request, InspectionRuleRecord, "rule")
        changed = _FIELDS.compute_changes(rule, request.body, request.minor)
        if rule.sensitive and changed.get("sensitive") is False:
            raise InvalidInput([Problem("sensitive", "it cannot be taken back", "delete the rule, and make another one")])
        _check({**vars(rule), **changed})
        return crud.update(request, InspectionRuleRecord, RULE_VIEW, rule, changed)

    @route(
        "DELETE",
        "/v1/inspection_rules/{rule}",
        policy="baremetal:inspection_rule:delete",
        role="system-admin",
        since=_SINCE,
        too_old_status=405,
        status=204,
    )
    def delete(self, request: APIRequest) -> None:
        """Delete an inspection rule."""
        crud.delete(request, InspectionRuleRecord, crud.find(request, InspectionRuleRecord, "rule").uuid)

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


def _check(rule: Mapping[str, Any]) -> None:
    problems = problems_of(rule)
    if problems:
        raise InvalidInput(problems)
