"""API resource ``/v1/deploy_templates``: deploy templates, which add steps to deployments of instances with a trait."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces.secret_fields import mask_secrets
from baremetal_sdk.api.framework.crud import CRUDResource, Operation
from baremetal_sdk.api.framework.parameters import Parameter, optional
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.resource_fields import WritableFields
from baremetal_sdk.api.framework.types import OBJECT, UUID
from baremetal_sdk.api.framework.views import View, ViewField
from baremetal_sdk.api.v1.step_lists import build_step_list_type
from baremetal_sdk.api.v1.trait_values import TRAIT
from baremetal_sdk.store.records.policy import DeployTemplateRecord

_SINCE = 55
_STEP_KEYS = ("interface", "step", "args", "priority")


def render_steps(request: APIRequest, steps: Any) -> list[dict[str, Any]]:
    """Return *steps* with masks in place of the secrets in their arguments."""
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
        ViewField("steps", render=render_steps, sortable=False),
    ),
    default=("uuid", "name"),
)
_FIELDS = WritableFields(
    DeployTemplateRecord,
    Parameter("name", TRAIT, "The name of the template. Instances with the trait of this name use the template."),
    Parameter(
        "steps", build_step_list_type(*_STEP_KEYS, known=_STEP_KEYS), "The steps, each with interface, step, args and priority."
    ),
    optional("extra", OBJECT, "Arbitrary data of the client."),
    required=("name", "steps"),
)


class DeployTemplatesResource(CRUDResource):
    """Routes of deploy templates. A deployment uses the templates whose names are traits of the instance."""

    view = TEMPLATE_VIEW
    fields = _FIELDS
    argument, singular, plural = "template", "a deploy template", "deploy templates"
    since = _SINCE
    operations = (
        Operation(name="list", policy="baremetal:deploy_template:get", role="system-reader"),
        Operation(name="show", policy="baremetal:deploy_template:get", role="system-reader"),
        Operation(name="create", policy="baremetal:deploy_template:create", role="system-admin", too_old_status=405),
        Operation(name="update", policy="baremetal:deploy_template:update", role="system-admin", too_old_status=405),
        Operation(name="delete", policy="baremetal:deploy_template:delete", role="system-admin", too_old_status=405),
    )
