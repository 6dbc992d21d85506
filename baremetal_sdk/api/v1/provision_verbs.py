"""The body of requests to change the provision state: a verb and its arguments, and the checks of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.framework.parameters import Parameter, not_acceptable_before, optional
from baremetal_sdk.api.framework.types import ANY, ARRAY, BOOLEAN, TEXT, UUID_OR_NAME, ValueType, text
from baremetal_sdk.api.v1.config_drives import check_config_drive
from baremetal_sdk.api.v1.step_lists import find_step_problems
from baremetal_sdk.states import DEPLOYWAIT, INSPECTWAIT, VERBS, Verb

FAULTS = ("power failure", "clean failure", "rescue abort failure", "service failure")
"""Values of the field ``fault`` of a node, by which listings of nodes can be filtered."""

ABORTABLE_SINCE: Mapping[str, int] = {INSPECTWAIT: 41, DEPLOYWAIT: 110}
"""Provision state -> the minor number of the first microversion in which ``abort`` works in it, if later than 13."""


_TARGET = ValueType(TEXT.parse, {"type": "string", "enum": list(VERBS)})
PROVISION_BODY = (
    Parameter(
        "target",
        _TARGET,
        "The provision verb to run: " + ", ".join(VERBS) + ".",
        required=True,
    ),
    optional(
        "configdrive",
        ANY,
        "The config drive: a URL, a compressed ISO image in base 64 or, since 1.56, an object with its content.",
    ),
    optional("clean_steps", ARRAY, "The clean steps to run, in this order."),
    optional(
        "deploy_steps", ARRAY, "The deploy steps to run in addition to those of the driver, in the order of their priorities.", 69
    ),
    optional("disable_ramdisk", BOOLEAN, "True to run the steps without booting a ramdisk on the machine.", 70),
    optional("rescue_password", text(255), "The password to log in to the rescue ramdisk.", 38),
    optional(
        "runbook", UUID_OR_NAME, "The UUID or name of a runbook whose steps are run, instead of clean_steps or service_steps.", 92
    ),
    optional("service_steps", ARRAY, "The service steps to run, in this order.", 87),
)


def parse_provision_body(body: Mapping[str, Any], minor: int) -> tuple[str, dict[str, Any]]:
    """Return the verb of a request and its arguments (name -> value).

    Raises ``NotAcceptable`` if the verb or an argument needs a later microversion, and ``InvalidInput`` for every other fault
    of the request. The conductor checks later whether the node's state allows the verb.
    """
    name = body["target"]
    verb = VERBS.get(name)
    if verb is None:
        raise InvalidInput([Problem("target", f"{name[:64]!r} is not a verb", "use one of " + ", ".join(VERBS))])
    if verb.since > minor:
        raise not_acceptable_before(f"target {name!r}", verb.since)
    arguments = {key: value for key, value in body.items() if key != "target" and value is not None and value != []}
    for key, value in arguments.items():
        _check_argument(verb, key, value, minor)
    _require_exactly_one(verb, arguments)
    return name, arguments


def _require_exactly_one(verb: Verb, arguments: Mapping[str, Any]) -> None:
    present = [key for key in verb.exactly_one_of if key in arguments]
    if not verb.exactly_one_of or len(present) == 1:
        return
    wrong = f"cannot be used together with {present[1]}" if present else "is missing"
    raise InvalidInput(
        [Problem(verb.exactly_one_of[0], wrong, f"the verb {verb.name} needs " + " or ".join(verb.exactly_one_of))]
    )


def _check_argument(verb: Verb, key: str, value: Any, minor: int) -> None:
    since = verb.arguments.get(key)
    if since is None:
        takers = ", ".join(other.name for other in VERBS.values() if key in other.arguments)
        raise InvalidInput([Problem(key, f"the verb {verb.name} does not accept this field", f"use it with {takers}")])
    if since > minor:
        raise not_acceptable_before(f"{key} of {verb.name}", since)
    check = _CHECKS.get(key)
    if check is not None:
        check(key, value, minor)


def _check_steps(key: str, steps: list[Any], minor: int) -> None:
    required, known = _STEP_KEYS[key]
    problems: list[Problem] = []
    for position, step in enumerate(steps):
        problems.extend(find_step_problems(f"{key}[{position}]", step, required, known))
    if problems:
        raise InvalidInput(problems)


_STEP_KEYS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "clean_steps": (("interface", "step"), ("interface", "step", "args", "order")),
    "deploy_steps": (("interface", "step", "args", "priority"), ("interface", "step", "args", "priority")),
    "service_steps": (("interface", "step"), ("interface", "step", "args", "order")),
}
"""List of steps -> the fields that each step must have, and those that it may have."""


_CHECKS: Mapping[str, Any] = {
    "clean_steps": _check_steps,
    "configdrive": check_config_drive,
    "deploy_steps": _check_steps,
    "service_steps": _check_steps,
}
