"""``/v1/runbooks``: steps that operators allow others to run on nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.access.personas import Persona
from baremetal_sdk.api.access.policy import step_rules
from baremetal_sdk.api.framework import crud
from baremetal_sdk.api.framework.json_patch import operations
from baremetal_sdk.api.framework.pagination import DETAIL, FIELDS, PAGING, shown
from baremetal_sdk.api.framework.parameters import Parameter, optional
from baremetal_sdk.api.framework.request import Call
from baremetal_sdk.api.framework.resource_fields import Writable
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import BOOLEAN, OBJECT, TEXT, UUID, Wrong
from baremetal_sdk.api.framework.views import Shown, View, ViewField
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
        ViewField("description", TRAITS_SINCE, too_old=400),
        ViewField("disable_ramdisk"),
        ViewField("extra", sortable=False),
        ViewField("name"),
        ViewField("owner"),
        ViewField("public"),
        ViewField("steps", render=shown_steps, sortable=False),
        ViewField("traits", TRAITS_SINCE, sortable=False, too_old=400, type=TRAITS),
    ),
    default=("uuid", "name"),
)


_STEPS = step_list("interface", "step", "order", known=("interface", "step", "args", "order"))
_FIELDS = Writable(
    RunbookRecord,
    Parameter("name", NAME, "A name that no other runbook has; before 1.112 also its trait."),
    Parameter("steps", _STEPS, "The steps, each with interface, step and order."),
    optional("description", TEXT, "What people should know about it.", TRAITS_SINCE, too_old=400),
    optional("disable_ramdisk", BOOLEAN, "Whether the steps run without a ramdisk."),
    optional("extra", OBJECT, "Anything."),
    optional("owner", TEXT, "The project that owns it."),
    optional("public", BOOLEAN, "Whether every project may use it."),
    required=("name", "steps"),
)


class Runbooks:
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
        answer=Shown(RUNBOOK_VIEW, page=True),
    )
    def list(self, call: Call) -> dict[str, Any]:
        """List runbooks."""
        return crud.listed(call, RunbookRecord, RUNBOOK_VIEW, {"owner": call.query.get("project")})

    @route(
        "GET",
        "/v1/runbooks/{runbook}",
        policy="baremetal:runbook:get",
        role="owner-reader",
        since=SINCE,
        query=(FIELDS,),
        answer=Shown(RUNBOOK_VIEW),
    )
    def show(self, call: Call) -> dict[str, Any]:
        """Show a runbook."""
        return shown(call, RUNBOOK_VIEW, crud.found(call, RunbookRecord, "runbook"))

    @route(
        "POST",
        "/v1/runbooks",
        policy="baremetal:runbook:create",
        role="author",
        since=SINCE,
        too_old=405,
        status=201,
        body=_FIELDS.creation,
        answer=Shown(RUNBOOK_VIEW, whole=True),
    )
    def create(self, call: Call) -> dict[str, Any]:
        """Create a runbook."""
        values = _FIELDS.new(call.body)
        if values.get("public") and call.context.project is not None:
            raise InvalidInput([Problem("public", "a project offers nothing to others", "who acts for the whole system does")])
        call.own(values)
        _check(call, values)
        if call.minor < TRAITS_SINCE:
            values["traits"] = [values["name"]]
        return crud.create(call, RunbookRecord, RUNBOOK_VIEW, values)

    @route(
        "PATCH",
        "/v1/runbooks/{runbook}",
        policy="baremetal:runbook:update",
        role="runbook-manager",
        also=tuple(_RULE_OF_FIELD.values()),
        since=SINCE,
        too_old=405,
        body=_FIELDS.patch,
        answer=Shown(RUNBOOK_VIEW, whole=True),
    )
    def update(self, call: Call) -> dict[str, Any]:
        """Change fields of a runbook."""
        runbook = crud.found(call, RunbookRecord, "runbook")
        named = {operation.field for operation in operations(call.body, call.minor)}
        for rule in {_RULE_OF_FIELD.get(name, call.route.policy) for name in named} or {call.route.policy}:
            crud.allow(call, rule, "runbook", runbook)
        changed = _FIELDS.changed(runbook, call.body, call.minor)
        if changed.get("public") and "owner" not in changed:
            changed["owner"] = None
        _check(call, {**vars(runbook), **changed})
        return crud.update(call, RunbookRecord, RUNBOOK_VIEW, runbook, changed)

    @route(
        "DELETE",
        "/v1/runbooks/{runbook}",
        policy="baremetal:runbook:delete",
        role="runbook-manager",
        since=SINCE,
        too_old=405,
        status=204,
    )
    def delete(self, call: Call) -> None:
        """Delete a runbook."""
        crud.delete(call, RunbookRecord, _own(call).uuid)


class RunbookTraits:
    """The traits that say on which nodes a runbook may run."""

    @route("GET", "/v1/runbooks/{runbook}/traits", policy="baremetal:runbook:get", role="owner-reader", since=TRAITS_SINCE)
    def list(self, call: Call) -> Traits:
        """List the traits of a runbook."""
        return {"traits": list(crud.found(call, RunbookRecord, "runbook").traits)}

    @route(
        "PUT",
        "/v1/runbooks/{runbook}/traits",
        policy="baremetal:runbook:update",
        role="runbook-manager",
        since=TRAITS_SINCE,
        status=204,
        body=(Parameter("traits", TRAITS, "The traits that it is to have.", required=True),),
    )
    def replace(self, call: Call) -> None:
        """Give a runbook exactly these traits."""
        _set_traits(call, _own(call), set(call.body["traits"]))

    @route(
        "DELETE",
        "/v1/runbooks/{runbook}/traits",
        policy="baremetal:runbook:update",
        role="runbook-manager",
        since=TRAITS_SINCE,
        status=204,
    )
    def clear(self, call: Call) -> None:
        """Take all traits from a runbook."""
        _set_traits(call, _own(call), set())

    @route(
        "PUT",
        "/v1/runbooks/{runbook}/traits/{trait}",
        policy="baremetal:runbook:update",
        role="runbook-manager",
        since=TRAITS_SINCE,
        status=204,
        body=(),
    )
    def add(self, call: Call) -> None:
        """Give a runbook a trait that it may have already."""
        runbook, trait = _own(call), trait_of_path(call.arguments["trait"])
        _set_traits(call, runbook, {*runbook.traits, trait})
        call.location = f"runbooks/{call.arguments['runbook']}/traits/{trait}"

    @route(
        "DELETE",
        "/v1/runbooks/{runbook}/traits/{trait}",
        policy="baremetal:runbook:update",
        role="runbook-manager",
        since=TRAITS_SINCE,
        status=204,
    )
    def remove(self, call: Call) -> None:
        """Take a trait from a runbook, if it has it."""
        runbook = _own(call)
        _set_traits(call, runbook, {*runbook.traits} - {call.arguments["trait"]})


def _own(call: Call) -> RunbookRecord:
    """The runbook that the path names, if the caller may do to it what it is about to."""
    runbook = crud.found(call, RunbookRecord, "runbook")
    crud.allow(call, call.route.policy, "runbook", runbook)
    return runbook


def _check(call: Call, values: dict[str, Any]) -> None:
    crud.require_name(values["name"])
    for rule in step_rules(values["steps"]):
        call.require(rule)
    if call.minor < TRAITS_SINCE:
        try:
            TRAIT.parse(values["name"])
        except Wrong as exc:
            raise InvalidInput([Problem("name", exc.wrong, exc.allowed)]) from None
    if values.get("public") and values.get("owner") is not None:
        raise InvalidInput([Problem("public", "it is set together with an owner", "a public runbook has no owner")])


def _set_traits(call: Call, runbook: RunbookRecord, traits: set[str]) -> None:
    if traits != {*runbook.traits}:
        crud.update(call, RunbookRecord, RUNBOOK_VIEW, runbook, {"traits": sorted(traits)})
