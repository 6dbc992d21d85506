"""API resource ``/v1/runbooks``: runbooks, which are lists of steps that an operator allows others to run on nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from baremetal_sdk.api.v1.deploy_templates import render_steps
from baremetal_sdk.api.v1.node_traits import Traits
from baremetal_sdk.api.v1.ports import NAME
from baremetal_sdk.api.v1.step_lists import build_step_list_type
from baremetal_sdk.api.v1.trait_values import TRAIT, TRAITS, parse_path_trait
from baremetal_sdk.store.records.policy import RunbookRecord
from baremetal_sdk.store.revisions import retry_on_revision_conflict

SINCE = 92
USE = "baremetal:runbook:use"
"""The policy rule for running a runbook on a node."""
_RULE_BY_FIELD = {name: f"baremetal:runbook:update:{name}" for name in ("owner", "public")}
TRAITS_SINCE = 112
"""The minor number of the first microversion with traits of runbooks. In earlier ones, the name is the only trait."""

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
        ViewField("steps", render=render_steps, sortable=False),
        ViewField("traits", TRAITS_SINCE, sortable=False, too_old_status=400, type=TRAITS),
    ),
    default=("uuid", "name"),
)


_STEPS = build_step_list_type("interface", "step", "order", known=("interface", "step", "args", "order"))
_FIELDS = WritableFields(
    RunbookRecord,
    Parameter("name", NAME, "The unique name of the runbook. Before 1.112 it must be a trait."),
    Parameter("steps", _STEPS, "The steps, each with interface, step and order, and optionally args."),
    optional("description", TEXT, "A description in free text.", TRAITS_SINCE, too_old_status=400),
    optional("disable_ramdisk", BOOLEAN, "True to run the steps without booting a ramdisk on the machine."),
    optional("extra", OBJECT, "Arbitrary data of the client."),
    optional("owner", TEXT, "The project that owns the runbook. The default for a client in a project is this project."),
    optional("public", BOOLEAN, "True to let every project use the runbook. A public runbook has no owner."),
    required=("name", "steps"),
)


class RunbooksResource(CRUDResource):
    """Routes of runbooks. A project may use its own runbooks and public ones."""

    rules: ClassVar[Mapping[str, Persona]] = {
        _RULE_BY_FIELD["owner"]: "system-keeper",
        _RULE_BY_FIELD["public"]: "system-keeper",
        USE: "runbook-user",
    }
    view = RUNBOOK_VIEW
    fields = _FIELDS
    argument, singular, plural = "runbook", "a runbook", "runbooks"
    since = SINCE
    filters = (Parameter("project", TEXT, "The project that owns the runbook."),)
    operations = (
        Operation(name="list", policy="baremetal:runbook:list", role="lister"),
        Operation(name="show", policy="baremetal:runbook:get", role="owner-reader"),
        Operation(name="create", policy="baremetal:runbook:create", role="author", too_old_status=405),
        Operation(
            name="update",
            policy="baremetal:runbook:update",
            role="runbook-manager",
            alternative_rules=tuple(_RULE_BY_FIELD.values()),
            too_old_status=405,
        ),
        Operation(name="delete", policy="baremetal:runbook:delete", role="runbook-manager", too_old_status=405),
    )

    def where(self, request: APIRequest) -> Mapping[str, Any]:
        """Return the condition for the project in the query. Without it all visible runbooks are listed."""
        return {"owner": request.query.get("project")}

    def prepare(self, request: APIRequest, values: dict[str, Any]) -> None:
        """Set the owner, check the new runbook, and give it the trait of its name in early microversions."""
        if values.get("public") and request.context.project is not None:
            raise InvalidInput(
                [Problem("public", "cannot be set to true by a client in a project", "use credentials with system scope")]
            )
        request.set_owner(values)
        _check_values(request, values)
        if request.minor < TRAITS_SINCE:
            values["traits"] = [values["name"]]

    def authorize(self, request: APIRequest, runbook: RunbookRecord) -> None:
        """Raise ``Forbidden`` if the rule of the route does not allow the request for the runbook's owner."""
        crud.enforce_owner(request, request.route.policy, "runbook", runbook)

    def authorize_update(self, request: APIRequest, runbook: RunbookRecord) -> None:
        """Raise ``Forbidden`` if the rule of a changed field does not allow the change."""
        fields = {operation.field for operation in parse_patch(request.body, request.minor)}
        for rule in {_RULE_BY_FIELD.get(name, request.route.policy) for name in fields} or {request.route.policy}:
            crud.enforce_owner(request, rule, "runbook", runbook)

    def check_changes(self, request: APIRequest, runbook: RunbookRecord, changes: dict[str, Any]) -> None:
        """Check the changed runbook. A runbook that becomes public loses its owner."""
        if changes.get("public") and "owner" not in changes:
            changes["owner"] = None
        _check_values(request, {**vars(runbook), **changes})


class RunbookTraitsResource:
    """Routes of the traits of runbooks. A runbook may run on nodes that have one of its traits, or its name as a trait."""

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
        body=(Parameter("traits", TRAITS, "All traits of the runbook. They replace the current ones.", required=True),),
    )
    def replace(self, request: APIRequest) -> None:
        """Replace all traits of a runbook."""
        _change_traits(request, lambda present: set(request.body["traits"]))

    @route(
        "DELETE",
        "/v1/runbooks/{runbook}/traits",
        policy="baremetal:runbook:update",
        role="runbook-manager",
        since=TRAITS_SINCE,
        status=204,
    )
    def clear(self, request: APIRequest) -> None:
        """Remove all traits from a runbook."""
        _change_traits(request, lambda present: set())

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
        """Add a trait to a runbook. The request succeeds if the runbook has the trait already."""
        trait = parse_path_trait(request.arguments["trait"])
        _change_traits(request, lambda present: present | {trait})
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
        """Remove a trait from a runbook. The request succeeds if the runbook does not have the trait."""
        _change_traits(request, lambda present: present - {request.arguments["trait"]})


def _find_permitted(request: APIRequest) -> RunbookRecord:
    """Return the runbook that the path names. Raises ``Forbidden`` if the caller may not use the route on it."""
    runbook = crud.find(request, RunbookRecord, "runbook")
    crud.enforce_owner(request, request.route.policy, "runbook", runbook)
    return runbook


def _check_values(request: APIRequest, values: dict[str, Any]) -> None:
    """Raise ``InvalidInput`` if the values of a runbook are invalid, or ``Forbidden`` if the client may not use a step."""
    crud.check_name(values["name"])
    for rule in step_rules(values["steps"]):
        request.require(rule)
    if request.minor < TRAITS_SINCE:
        try:
            TRAIT.parse(values["name"])
        except InvalidValue as exc:
            raise InvalidInput([Problem("name", exc.wrong, exc.allowed)]) from None
    if values.get("public") and values.get("owner") is not None:
        raise InvalidInput(
            [Problem("public", "cannot be used together with an owner", "leave out the owner of a public runbook")]
        )


def _change_traits(request: APIRequest, compute: Callable[[set[str]], set[str]]) -> None:
    """Replace the traits of the runbook by the result of *compute*, which gets the present ones. Do nothing if they are equal.

    Read the runbook and call *compute* again if another writer has changed the runbook since. Raises ``Forbidden``.
    """

    def change() -> None:
        runbook = _find_permitted(request)
        traits = compute({*runbook.traits})
        if traits != {*runbook.traits}:
            crud.save_changes(request, runbook, {"traits": sorted(traits)})

    retry_on_revision_conflict(change)
