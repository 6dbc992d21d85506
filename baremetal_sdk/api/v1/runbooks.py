"""``/v1/runbooks``: steps that operators allow others to run on nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.access.personas import Persona
from baremetal_sdk.api.access.policy import step_rules
from baremetal_sdk.api.framework import crud
from baremetal_sdk.api.framework.json_patch import parse_patch
from baremetal_sdk.api.framework.pagination import DETAIL, FIELDS, PAGING, render_record
from baremetal_sdk.api.framework.parameters import Parameter, optional
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.resource_fields import WritableFields
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import BOOLEAN, OBJECT, TEXT, UUID, InvalidValue
from baremetal_sdk.api.framework.views import ResponseSpec, View, ViewField
from baremetal_sdk.api.v1.deploy_templates import shown_steps
from baremetal_sdk.api.v1.node_traits import Traits
from baremetal_sdk.api.v1.ports import NAME
from baremetal_sdk.api.v1.step_lists import step_list
from baremetal_sdk.api.v1.trait_values import TRAIT, TRAITS, trait_of_path
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


_STEPS = step_list("interface", "step", "order", known=("interface", "step", "args", "order"))
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


class RunbooksResource:
    """Runbooks, one by one and page by page."""

    rules: ClassVar[Mapping[str, Persona]] = {
        _RULE_OF_FIELD["owner"]: "system-keeper",
        _RULE_OF_FIELD["public"]: "system-keeper",
        USE: "runbook-user",
    }

    @route(
        "GET",
        "/v1/runbooks",
        policy="baremetal:runbook:list",
        role="lister",
        since=SINCE,
        query=(Parameter("project", TEXT, "The project that owns it."), *PAGING, FIELDS, DETAIL),
        response=ResponseSpec(RUNBOOK_VIEW, page=True),
    )
    def list(self, request: APIRequest) -> dict[str, Any]:
        """List runbooks."""
        return crud.list_records(request, RunbookRecord, RUNBOOK_VIEW, {"owner": request.query.get("project")})

    @route(
        "GET",
        "/v1/runbooks/{runbook}",
        policy="baremetal:runbook:get",
        role="owner-reader",
        since=SINCE,
        query=(FIELDS,),
        response=ResponseSpec(RUNBOOK_VIEW),
    )
    def show(self, request: APIRequest) -> dict[str, Any]:
        """Show a runbook."""
        return render_record(request, RUNBOOK_VIEW, crud.find(request, RunbookRecord, "runbook"))

    @route(
        "POST",
        "/v1/runbooks",
        policy="baremetal:runbook:create",
        role="author",
        since=SINCE,
        too_old_status=405,
        status=201,
        body=_FIELDS.creation_fields,
        response=ResponseSpec(RUNBOOK_VIEW, whole=True),
    )
    def create(self, request: APIRequest) -> dict[str, Any]:
        """Create a runbook."""
        values = _FIELDS.new_values(request.body)
        if values.get("public") and request.context.project is not None:
            raise InvalidInput([Problem("public", "a project offers nothing to others", "who acts for the whole system does")])
        request.set_owner(values)
        _check(request, values)
        if request.minor < TRAITS_SINCE:
            values["traits"] = [values["name"]]
        return crud.create(request, RunbookRecord, RUNBOOK_VIEW, values)

    @route(
        "PATCH",
        "/v1/runbooks/{runbook}",
        policy="baremetal:runbook:update",
        role="runbook-manager",
        alternative_rules=tuple(_RULE_OF_FIELD.values()),
        since=SINCE,
        too_old_status=405,
        body=_FIELDS.patch_type,
        response=ResponseSpec(RUNBOOK_VIEW, whole=True),
    )
    def update(self, request: APIRequest) -> dict[str, Any]:
        """Change fields of a runbook."""
        runbook = crud.find(request, RunbookRecord, "runbook")
        named = {operation.field for operation in parse_patch(request.body, request.minor)}
        for rule in {_RULE_OF_FIELD.get(name, request.route.policy) for name in named} or {request.route.policy}:
            crud.enforce_owner(request, rule, "runbook", runbook)
        changed = _FIELDS.compute_changes(runbook, request.body, request.minor)
        if changed.get("public") and "owner" not in changed:
            changed["owner"] = None
        _check(request, {**vars(runbook), **changed})
        return crud.update(request, RunbookRecord, RUNBOOK_VIEW, runbook, changed)

    @route(
        "DELETE",
        "/v1/runbooks/{runbook}",
        policy="baremetal:runbook:delete",
        role="runbook-manager",
        since=SINCE,
        too_old_status=405,
        status=204,
    )
    def delete(self, request: APIRequest) -> None:
        """Delete a runbook."""
        crud.delete(request, RunbookRecord, _own(request).uuid)


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
        runbook, trait = _own(request), trait_of_path(request.arguments["trait"])
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
        crud.update(request, RunbookRecord, RUNBOOK_VIEW, runbook, {"traits": sorted(traits)})
