"""``/v1/deploy_templates``: deploy steps under the name of a trait."""

from __future__ import annotations

from typing import Any

from baremetal_sdk.api.framework import crud
from baremetal_sdk.api.framework.masking import mask_secrets
from baremetal_sdk.api.framework.pagination import DETAIL, FIELDS, PAGING, render_record
from baremetal_sdk.api.framework.parameters import Parameter, optional
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.resource_fields import WritableFields
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import OBJECT, UUID
from baremetal_sdk.api.framework.views import ResponseSpec, View, ViewField
from baremetal_sdk.api.v1.step_lists import step_list
from baremetal_sdk.api.v1.trait_values import TRAIT
from baremetal_sdk.store.records.policy import DeployTemplateRecord

_SINCE = 55
_KEYS = ("interface", "step", "args", "priority")


def shown_steps(request: APIRequest, steps: Any) -> list[dict[str, Any]]:
    """Steps, with secrets in their arguments masked."""
    return [{**step, "args": mask_secrets(step.get("args") or {})} for step in steps]


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
_FIELDS = WritableFields(
    DeployTemplateRecord,
    Parameter("name", TRAIT, "The trait that selects the template."),
    Parameter("steps", step_list(*_KEYS, known=_KEYS), "The steps, each with interface, step, args and priority."),
    optional("extra", OBJECT, "Anything."),
    required=("name", "steps"),
)


class DeployTemplatesResource:
    """Deploy templates, one by one and page by page."""

    @route(
        "GET",
        "/v1/deploy_templates",
        policy="baremetal:deploy_template:get",
        role="system-reader",
        since=_SINCE,
        query=(*PAGING, FIELDS, DETAIL),
        response=ResponseSpec(TEMPLATE_VIEW, page=True),
    )
    def list(self, request: APIRequest) -> dict[str, Any]:
        """List deploy templates."""
        return crud.list_records(request, DeployTemplateRecord, TEMPLATE_VIEW, {})

    @route(
        "GET",
        "/v1/deploy_templates/{template}",
        policy="baremetal:deploy_template:get",
        role="system-reader",
        since=_SINCE,
        query=(FIELDS,),
        response=ResponseSpec(TEMPLATE_VIEW),
    )
    def show(self, request: APIRequest) -> dict[str, Any]:
        """Show a deploy template."""
        return render_record(request, TEMPLATE_VIEW, crud.find(request, DeployTemplateRecord, "template"))

    @route(
        "POST",
        "/v1/deploy_templates",
        policy="baremetal:deploy_template:create",
        role="system-admin",
        since=_SINCE,
        too_old_status=405,
        status=201,
        body=_FIELDS.creation_fields,
        response=ResponseSpec(TEMPLATE_VIEW, whole=True),
    )
    def create(self, request: APIRequest) -> dict[str, Any]:
        """Create a deploy template."""
        return crud.create(request, DeployTemplateRecord, TEMPLATE_VIEW, _FIELDS.new_values(request.body))

    @route(
        "PATCH",
        "/v1/deploy_templates/{template}",
        policy="baremetal:deploy_template:update",
        role="system-admin",
        since=_SINCE,
        too_old_status=405,
        body=_FIELDS.patch_type,
        response=ResponseSpec(TEMPLATE_VIEW, whole=True),
    )
    def update(self, request: APIRequest) -> dict[str, Any]:
        """Change fields of a deploy template."""
        template = crud.find(request, DeployTemplateRecord, "template")
        changed = _FIELDS.compute_changes(template, request.body, request.minor)
        return crud.update(request, DeployTemplateRecord, TEMPLATE_VIEW, template, changed)

    @route(
        "DELETE",
        "/v1/deploy_templates/{template}",
        policy="baremetal:deploy_template:delete",
        role="system-admin",
        since=_SINCE,
        too_old_status=405,
        status=204,
    )
    def delete(self, request: APIRequest) -> None:
        """Delete a deploy template."""
        crud.delete(request, DeployTemplateRecord, crud.find(request, DeployTemplateRecord, "template").uuid)
