"""The verbs of ``PUT states/provision``: the microversion of each, and the arguments that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.framework.parameters import Parameter, not_acceptable_before, optional
from baremetal_sdk.api.framework.types import ANY, ARRAY, BOOLEAN, TEXT, UUID_OR_NAME, ValueType, text
from baremetal_sdk.api.v1.step_lists import step_problems
from baremetal_sdk.states import DEPLOYWAIT, INSPECTWAIT

FAULTS = ("power failure", "clean failure", "rescue abort failure", "service failure")
"""The faults that nodes can be filtered by."""

ABORTABLE_SINCE: Mapping[str, int] = {INSPECTWAIT: 41, DEPLOYWAIT: 110}
"""Provision states that could be aborted only since a later microversion than the verb."""
CONFIG_DRIVE_OBJECT_SINCE = 56
CONFIG_DRIVE_VENDOR_DATA_SINCE = 59
_CONFIG_DRIVE_KEYS = frozenset({"meta_data", "network_data", "user_data", "vendor_data"})
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\n\r\t ")


@dataclass(frozen=True)
class Verb:
    """A verb: since when there is it, which arguments it takes since when, and of which it needs exactly one."""

    since: int = 1
    takes: Mapping[str, int] | None = None
    needs: tuple[str, ...] = ()


_DEPLOY: Mapping[str, int] = {"configdrive": 1, "deploy_steps": 69}

VERBS: Mapping[str, Verb] = {
    "abort": Verb(13),
    "active": Verb(1, _DEPLOY),
    "adopt": Verb(17),
    "clean": Verb(15, {"clean_steps": 15, "disable_ramdisk": 70, "runbook": 92}, needs=("clean_steps", "runbook")),
    "deleted": Verb(1),
    "deploy": Verb(73, _DEPLOY),
    "inspect": Verb(6),
    "manage": Verb(4),
    "provide": Verb(4),
    "rebuild": Verb(1, {"configdrive": 35, "deploy_steps": 69}),
    "rescue": Verb(38, {"rescue_password": 38}, needs=("rescue_password",)),
    "service": Verb(87, {"service_steps": 87, "disable_ramdisk": 108, "runbook": 92}, needs=("service_steps", "runbook")),
    "undeploy": Verb(73),
    "unhold": Verb(85),
    "unrescue": Verb(38),
}

_TARGET = ValueType(TEXT.parse, {"type": "string", "enum": list(VERBS)})
PROVISION_BODY = (
    Parameter(
        "target",
        _TARGET,
        "What to do: one of " + ", ".join(VERBS) + ".",
        required=True,
    ),
    optional("configdrive", ANY, "A URL, base 64 of a compressed ISO image, or an object to build one from (since 1.56)."),
    optional("clean_steps", ARRAY, "The steps to clean with, in order."),
    optional("deploy_steps", ARRAY, "Steps to deploy with, by priority.", 69),
    optional("disable_ramdisk", BOOLEAN, "Whether to work without a ramdisk.", 70),
    optional("rescue_password", text(255), "The password of the rescue ramdisk.", 38),
    optional("runbook", UUID_OR_NAME, "The UUID or name of a runbook, in place of steps.", 92),
    optional("service_steps", ARRAY, "The steps to service with, in order.", 87),
)


def verb_and_arguments(body: Mapping[str, Any], minor: int) -> tuple[str, dict[str, Any]]:
    """What a request asks for. Raises ``InvalidInput`` and ``NotAcceptable``; what the node thereof is says the conductor."""
    name = body["target"]
    verb = VERBS.get(name)
    if verb is None:
        raise InvalidInput([Problem("target", f"{name[:64]!r} is no verb", "one of " + ", ".join(VERBS))])
    if verb.since > minor:
        raise not_acceptable_before(f"target {name!r}", verb.since)
    arguments = {key: value for key, value in body.items() if key != "target" and value is not None and value != []}
    for key, value in arguments.items():
        _check_argument(name, verb, key, value, minor)
    given = [key for key in verb.needs if key in arguments]
    if verb.needs and len(given) != 1:
        wrong = "it is missing" if not given else f"it cannot be given together with {given[1]}"
        raise InvalidInput([Problem(verb.needs[0], wrong, f"{name} needs " + " or ".join(verb.needs))])
    return name, arguments


def _check_argument(name: str, verb: Verb, key: str, value: Any, minor: int) -> None:
    since = (verb.takes or {}).get(key)
    if since is None:
        takers = ", ".join(other for other, candidate in VERBS.items() if key in (candidate.takes or {}))
        raise InvalidInput([Problem(key, f"{name} does not take it", f"it goes with {takers}")])
    if since > minor:
        raise not_acceptable_before(f"{key} of {name}", since)
    check = _CHECKS.get(key)
    if check is not None:
        check(key, value, minor)


def _check_steps(key: str, steps: list[Any], minor: int) -> None:
    required, known = _STEP_KEYS[key]
    problems: list[Problem] = []
    for position, step in enumerate(steps):
        problems.extend(step_problems(f"{key}[{position}]", step, required, known))
    if problems:
        raise InvalidInput(problems)


_STEP_KEYS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "clean_steps": (("interface", "step"), ("interface", "step", "args", "order")),
    "deploy_steps": (("interface", "step", "args", "priority"), ("interface", "step", "args", "priority")),
    "service_steps": (("interface", "step"), ("interface", "step", "args", "order")),
}
"""Of each list of steps: what a step must have, and what it may have."""


def _check_config_drive(key: str, value: Any, minor: int) -> None:
    if isinstance(value, str):
        if "://" not in value and not _BASE64.issuperset(value):
            raise InvalidInput([Problem(key, "it is neither a URL nor base 64", "give one of them, or an object")])
        return
    if not isinstance(value, dict):
        raise InvalidInput([Problem(key, "it is neither text nor an object", "give a URL, base 64 or an object")])
    _check_config_drive_object(key, value, minor)


def _check_config_drive_object(key: str, value: Mapping[str, Any], minor: int) -> None:
    if minor < CONFIG_DRIVE_OBJECT_SINCE:
        raise InvalidInput([Problem(key, "it is an object", f"objects are taken since version 1.{CONFIG_DRIVE_OBJECT_SINCE}")])
    unknown = sorted(set(value) - _CONFIG_DRIVE_KEYS)
    if unknown:
        known = "known are " + ", ".join(sorted(_CONFIG_DRIVE_KEYS))
        raise InvalidInput([Problem(f"{key}.{name[:64]}", "it is not known", known) for name in unknown])
    if "vendor_data" in value and minor < CONFIG_DRIVE_VENDOR_DATA_SINCE:
        allowed = f"it is taken since version 1.{CONFIG_DRIVE_VENDOR_DATA_SINCE}"
        raise InvalidInput([Problem(f"{key}.vendor_data", "it is given too early", allowed)])
    for name in ("meta_data", "network_data", "vendor_data"):
        if not isinstance(value.get(name, {}), dict):
            raise InvalidInput([Problem(f"{key}.{name}", "it is not an object", "give a JSON object")])


_CHECKS: Mapping[str, Any] = {
    "clean_steps": _check_steps,
    "configdrive": _check_config_drive,
    "deploy_steps": _check_steps,
    "service_steps": _check_steps,
}
