"""``/v1/deploy_templates``: deploy steps under the name of a trait."""

from __future__ import annotations

from typing import Any

from baremetal_sdk.api.framework import crud
from baremetal_sdk.api.framework.masking import masked
from baremetal_sdk.api.framework.pagination import DETAIL, FIELDS, PAGING, shown
from baremetal_sdk.api.framework.parameters import Parameter, optional
from baremetal_sdk.api.framework.request import Call
from baremetal_sdk.api.framework.resource_fields import Writable
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import OBJECT, UUID
from baremetal_sdk.api.framework.views import Shown, View, ViewField
from baremetal_sdk.api.v1.step_lists import step_list
from baremetal_sdk.api.v1.trait_values import TRAIT
from baremetal_sdk.store.records.policy import DeployTemplateRecord

_SINCE = 55
_KEYS = ("interface", "step", "args", "priority")


def shown_steps(call: Call, steps: Any) -> list[dict[str, Any]]:
    """Steps, with secrets in their arguments masked."""
    return [{**step, "args": masked(step.get("args") or {})} for step in steps]


TEMPLATE_VIEW = View(
    "deploy_templates",
    DeployTemplateRecord,
    (
        ViewField("uuid", type=UUID),
        ViewField("created_at"),
        ViewField("updated_at"),
        ViewField("extra", sortable=False),
        ViewField("name"),
        ViewField("steps", render=shown_steps, sortable=False),
    ),
    default=("uuid", "name"),
)
_FIELDS = Writable(
    DeployTemplateRecord,
    Parameter("name", TRAIT, "The trait that selects the template."),
    Parameter("steps", step_list(*_KEYS, known=_KEYS), "The steps, each with interface, step, args and priority."),
    optional("extra", OBJECT, "Anything."),
    required=("name", "steps"),
)


class DeployTemplates:
    """Deploy templates, one by one and page by page."""

    @route(
        "GET",
        "/v1/deploy_templates",
        policy="baremetal:deploy_template:get",
        role="system-reader",
        since=_SINCE,
        query=(*PAGING, FIELDS, DETAIL),
        answer=Shown(TEMPLATE_VIEW, page=True),
    )
    def list(self, call: Call) -> dict[str, Any]:
        """List deploy templates."""
        return crud.listed(call, DeployTemplateRecord, TEMPLATE_VIEW, {})

    @route(
        "GET",
        "/v1/deploy_templates/{template}",
        policy="baremetal:deploy_template:get",
        role="system-reader",
        since=_SINCE,
        query=(FIELDS,),
        answer=Shown(TEMPLATE_VIEW),
    )
    def show(self, call: Call) -> dict[str, Any]:
        """Show a deploy template."""
        return shown(call, TEMPLATE_VIEW, crud.found(call, DeployTemplateRecord, "template"))

    @route(
        "POST",
        "/v1/deploy_templates",
        policy="baremetal:deploy_template:create",
        role="system-admin",
        since=_SINCE,
        too_old=405,
        status=201,
        body=_FIELDS.creation,
        answer=Shown(TEMPLATE_VIEW, whole=True),
    )
    def create(self, call: Call) -> dict[str, Any]:
        """Create a deploy template."""
        return crud.create(call, DeployTemplateRecord, TEMPLATE_VIEW, _FIELDS.new(call.body))

    @route(
        "PATCH",
        "/v1/deploy_templates/{template}",
        policy="baremetal:deploy_template:update",
        role="system-admin",
        since=_SINCE,
        too_old=405,
        body=_FIELDS.patch,
        answer=Shown(TEMPLATE_VIEW, whole=True),
    )
    def update(self, call: Call) -> dict[str, Any]:
        """Change fields of a deploy template."""
        template = crud.found(call, DeployTemplateRecord, "template")
        changed = _FIELDS.changed(template, call.body, call.minor)
        return crud.update(call, DeployTemplateRecord, TEMPLATE_VIEW, template, changed)

    @route(
        "DELETE",
        "/v1/deploy_templates/{template}",
        policy="baremetal:deploy_template:delete",
        role="system-admin",
        since=_SINCE,
        too_old=405,
        status=204,
    )
    def delete(self, call: Call) -> None:
        """Delete a deploy template."""
        crud.delete(call, DeployTemplateRecord, crud.found(call, DeployTemplateRecord, "template").uuid)
