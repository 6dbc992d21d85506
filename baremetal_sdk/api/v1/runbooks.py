"""``/v1/runbooks``: steps that operators allow others to run on nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.access.personas import Persona
from baremetal_sdk.api.access.policy import step_rules
from baremetal_sdk.api.framework import crud
from baremetal_sdk.api.framework.crud import CRUDResource, Operation
from baremetal_sdk.api.framework.json_patch import parse_patch
from baremetal_sdk.api.framework.parameters import Parameter, optional
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.resource_fields import WritableFields
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import BOOLEAN, OBJECT, TEXT, UUID, InvalidValue
from baremetal_sdk.api.framework.views import View, ViewField
from baremetal_sdk.api.v1.deploy_templates import shown_steps
from baremetal_sdk.api.v1.node_traits import Traits
from baremetal_sdk.api.v1.ports import NAME
from baremetal_sdk.api.v1.step_lists import build_step_list_type
from baremetal_sdk.api.v1.trait_values import TRAIT, TRAITS, parse_path_trait
from baremetal_sdk.store.records.policy import RunbookRecord

SINCE = 92
USE = "baremetal:runbook:use"
_RULE_OF_FIELD = {name: f"baremetal:runbook:update:{name}" for name in ("owner", "public")}
TRAITS_SINCE = 112
"""Runbooks have traits since this microversion; before, their names were traits."""

RUNBOOK_VIEW = View(
    "runbooks",
    RunbookRecord,
    (
        ViewField("uuid", type=UUID),
        ViewField("created_at"),
        ViewField("updated_at"),
        ViewField("description", TRAITS_SINCE, too_old_status=400),
        ViewField("disable_ramdisk"),
        ViewField("extra", sortable=False),
        ViewField("name"),
        ViewField("owner"),
        ViewField("public"),
        ViewField("steps", render=shown_steps, sortable=False),
        ViewField("traits", TRAITS_SINCE, sortable=False, too_old_status=400, type=TRAITS),
    ),
    default=("uuid", "name"),
)


_STEPS = build_step_list_type("interface", "step", "order", known=("interface", "step", "args", "order"))
_FIELDS = WritableFields(
    RunbookRecord,
    Parameter("name", NAME, "A name that no other runbook has; before 1.112 also its trait."),
    Parameter("steps", _STEPS, "The steps, each with interface, step and order."),
    optional("description", TEXT, "What people should know about it.", TRAITS_SINCE, too_old_status=400),
    optional("disable_ramdisk", BOOLEAN, "Whether the steps run without a ramdisk."),
    optional("extra", OBJECT, "Anything."),
    optional("owner", TEXT, "The project that owns it."),
    optional("public", BOOLEAN, "Whether every project may use it."),
    required=("name", "steps"),
)


class RunbooksResource(CRUDResource):
    """The runbooks."""

    rules: ClassVar[Mapping[str, Persona]] = {
        _RULE_OF_FIELD["owner"]: "system-keeper",
        _RULE_OF_FIELD["public"]: "system-keeper",
        USE: "runbook-user",
    }
    view = RUNBOOK_VIEW
    fields = _FIELDS
    argument, singular, plural = "runbook", "a runbook", "runbooks"
    since = SINCE
    filters = (Parameter("project", TEXT, "The project that owns it."),)
    operations = (
        Operation(name="list", policy="baremetal:runbook:list", role="lister"),
        Operation(name="show", policy="baremetal:runbook:get", role="owner-reader"),
        Operation(name="create", policy="baremetal:runbook:create", role="author", too_old_status=405),
        Operation(
            name="update",
            policy="baremetal:runbook:update",
            role="runbook-manager",
            alternative_rules=tuple(_RULE_OF_FIELD.values()),
            too_old_status=405,
        ),
        Operation(name="delete", policy="baremetal:runbook:delete", role="runbook-manager", too_old_status=405),
    )

    def where(self, request: APIRequest) -> Mapping[str, Any]:
        """Select the runbooks of the project in the query."""
        return {"owner": request.query.get("project")}

    def prepare(self, request: APIRequest, values: dict[str, Any]) -> None:
        """Set the owner, check the new runbook, and give it the trait of its name in early microversions."""
        if values.get("public") and request.context.project is not None:
            raise InvalidInput([Problem("public", "a project offers nothing to others", "who acts for the whole system does")])
        request.set_owner(values)
        _check(request, values)
        if request.minor < TRAITS_SINCE:
            values["traits"] = [values["name"]]

    def authorize(self, request: APIRequest, runbook: RunbookRecord) -> None:
        """Raise ``Forbidden`` if the rule of the route does not allow the request for the runbook's owner."""
        crud.enforce_owner(request, request.route.policy, "runbook", runbook)

    def authorize_update(self, request: APIRequest, runbook: RunbookRecord) -> None:
        """Raise ``Forbidden`` if the rule of any changed field does not allow the change."""
        named = {operation.field for operation in parse_patch(request.body, request.minor)}
        for rule in {_RULE_OF_FIELD.get(name, request.route.policy) for name in named} or {request.route.policy}:
            crud.enforce_owner(request, rule, "runbook", runbook)

    def check_changes(self, request: APIRequest, runbook: RunbookRecord, changes: dict[str, Any]) -> None:
        """Check the changed runbook. A runbook that becomes public loses its owner."""
        if changes.get("public") and "owner" not in changes:
            changes["owner"] = None
        _check(request, {**vars(runbook), **changes})


class RunbookTraitsResource:
    """The traits that say on which nodes a runbook may run."""

    @route("GET", "/v1/runbooks/{runbook}/traits", policy="baremetal:runbook:get", role="owner-reader", since=TRAITS_SINCE)
    def list(self, request: APIRequest) -> Traits:
        """List the traits of a runbook."""
        return {"traits": list(crud.find(request, RunbookRecord, "runbook").traits)}

    @route(
        "PUT",
        "/v1/runbooks/{runbook}/traits",
        policy="baremetal:runbook:update",
        role="runbook-manager",
        since=TRAITS_SINCE,
        status=204,
        body=(Parameter("traits", TRAITS, "The traits that it is to have.", required=True),),
    )
    def replace(self, request: APIRequest) -> None:
        """Give a runbook exactly these traits."""
        _set_traits(request, _own(request), set(request.body["traits"]))

    @route(
        "DELETE",
        "/v1/runbooks/{runbook}/traits",
        policy="baremetal:runbook:update",
        role="runbook-manager",
        since=TRAITS_SINCE,
        status=204,
    )
    def clear(self, request: APIRequest) -> None:
        """Take all traits from a runbook."""
        _set_traits(request, _own(request), set())

    @route(
        "PUT",
        "/v1/runbooks/{runbook}/traits/{trait}",
        policy="baremetal:runbook:update",
        role="runbook-manager",
        since=TRAITS_SINCE,
        status=204,
        body=(),
    )
    def add(self, request: APIRequest) -> None:
        """Give a runbook a trait that it may have already."""
        runbook, trait = _own(request), parse_path_trait(request.arguments["trait"])
        _set_traits(request, runbook, {*runbook.traits, trait})
        request.location = f"runbooks/{request.arguments['runbook']}/traits/{trait}"

    @route(
        "DELETE",
        "/v1/runbooks/{runbook}/traits/{trait}",
        policy="baremetal:runbook:update",
        role="runbook-manager",
        since=TRAITS_SINCE,
        status=204,
    )
    def remove(self, request: APIRequest) -> None:
        """Take a trait from a runbook, if it has it."""
        runbook = _own(request)
        _set_traits(request, runbook, {*runbook.traits} - {request.arguments["trait"]})


def _own(request: APIRequest) -> RunbookRecord:
    """The runbook that the path names, if the caller may do to it what it is about to."""
    runbook = crud.find(request, RunbookRecord, "runbook")
    crud.enforce_owner(request, request.route.policy, "runbook", runbook)
    return runbook


def _check(request: APIRequest, values: dict[str, Any]) -> None:
    crud.require_name(values["name"])
    for rule in step_rules(values["steps"]):
        request.require(rule)
    if request.minor < TRAITS_SINCE:
        try:
            TRAIT.parse(values["name"])
        except InvalidValue as exc:
            raise InvalidInput([Problem("name", exc.wrong, exc.allowed)]) from None
    if values.get("public") and values.get("owner") is not None:
        raise InvalidInput([Problem("public", "it is set together with an owner", "a public runbook has no owner")])


def _set_traits(request: APIRequest, runbook: RunbookRecord, traits: set[str]) -> None:
    if traits != {*runbook.traits}:
        crud.save_changes(request, runbook, {"traits": sorted(traits)})
