"""The verbs of ``PUT states/provision``: the microversion of each, and the arguments that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_interfaces import InvalidInput, Kind, Problem
from baremetal_sdk.api.parameters import Parameter, optional, too_new
from baremetal_sdk.api.values import ANY, ARRAY, BOOLEAN, TEXT, text
from baremetal_sdk.provision import DEPLOYWAIT, INSPECTWAIT

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
    """A verb: since when there is it, which arguments it takes since when, and which of them it needs."""

    since: int = 1
    takes: Mapping[str, int] | None = None
    needs: str | None = None


_DEPLOY: Mapping[str, int] = {"configdrive": 1, "deploy_steps": 69}

VERBS: Mapping[str, Verb] = {
    "abort": Verb(13),
    "active": Verb(1, _DEPLOY),
    "adopt": Verb(17),
    "clean": Verb(15, {"clean_steps": 15, "disable_ramdisk": 70}, needs="clean_steps"),
    "deleted": Verb(1),
    "deploy": Verb(73, _DEPLOY),
    "inspect": Verb(6),
    "manage": Verb(4),
    "provide": Verb(4),
    "rebuild": Verb(1, {"configdrive": 35, "deploy_steps": 69}),
    "rescue": Verb(38, {"rescue_password": 38}, needs="rescue_password"),
    "service": Verb(87, {"service_steps": 87, "disable_ramdisk": 108}, needs="service_steps"),
    "undeploy": Verb(73),
    "unhold": Verb(85),
    "unrescue": Verb(38),
}

PROVISION_BODY = (
    Parameter("target", TEXT, "What to do: one of " + ", ".join(VERBS) + ".", required=True),
    optional("configdrive", ANY, "A URL, base 64 of a compressed ISO image, or an object to build one from (since 1.56)."),
    optional("clean_steps", ARRAY, "The steps to clean with, in order."),
    optional("deploy_steps", ARRAY, "Steps to deploy with, by priority.", 69),
    optional("disable_ramdisk", BOOLEAN, "Whether to work without a ramdisk.", 70),
    optional("rescue_password", text(255), "The password of the rescue ramdisk.", 38),
    optional("service_steps", ARRAY, "The steps to service with, in order.", 87),
)


def verb_and_arguments(body: Mapping[str, Any], minor: int) -> tuple[str, dict[str, Any]]:
    """What a request asks for. Raises ``InvalidInput`` and ``NotAcceptable``; what the node thereof is says the conductor."""
    name = body["target"]
    verb = VERBS.get(name)
    if verb is None:
        raise InvalidInput([Problem("target", f"{name[:64]!r} is no verb", "one of " + ", ".join(VERBS))])
    if verb.since > minor:
        raise too_new(f"target {name!r}", verb.since)
    arguments = {key: value for key, value in body.items() if key != "target" and value is not None and value != []}
    for key, value in arguments.items():
        _check_argument(name, verb, key, value, minor)
    if verb.needs is not None and not arguments.get(verb.needs):
        raise InvalidInput([Problem(verb.needs, "it is missing", f"{name} needs it")])
    return name, arguments


def _check_argument(name: str, verb: Verb, key: str, value: Any, minor: int) -> None:
    since = (verb.takes or {}).get(key)
    if since is None:
        takers = ", ".join(other for other, candidate in VERBS.items() if key in (candidate.takes or {}))
        raise InvalidInput([Problem(key, f"{name} does not take it", f"it goes with {takers}")])
    if since > minor:
        raise too_new(f"{key} of {name}", since)
    check = _CHECKS.get(key)
    if check is not None:
        check(key, value, minor)


def _check_steps(key: str, steps: list[Any], minor: int) -> None:
    required, known = _STEP_KEYS[key]
    problems: list[Problem] = []
    for position, step in enumerate(steps):
        problems.extend(_step_problems(f"{key}[{position}]", step, required, known))
    if problems:
        raise InvalidInput(problems)


_STEP_KEYS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "clean_steps": (("interface", "step"), ("interface", "step", "args", "order")),
    "deploy_steps": (("interface", "step", "args", "priority"), ("interface", "step", "args", "priority")),
    "service_steps": (("interface", "step"), ("interface", "step", "args", "order")),
}
"""Of each list of steps: what a step must have, and what it may have."""


def _step_problems(where: str, step: Any, required: tuple[str, ...], known: tuple[str, ...]) -> list[Problem]:
    if not isinstance(step, dict):
        return [Problem(where, "it is not an object", 'give {"interface": ..., "step": ...}')]
    missing, unknown = [key for key in required if key not in step], [key for key in step if key not in known]
    problems = [Problem(f"{where}.{key}", "it is missing", "a step has " + ", ".join(required)) for key in missing]
    problems += [Problem(f"{where}.{key}", "it is not known", "known are " + ", ".join(known)) for key in unknown]
    for key, value in step.items():
        if key in _STEP_VALUES and not _STEP_VALUES[key][0](value):
            problems.append(Problem(f"{where}.{key}", "it cannot be taken", _STEP_VALUES[key][1]))
    return problems


def _is_priority(value: Any) -> bool:
    if isinstance(value, str):
        return value.isascii() and value.isdigit() and len(value) < 10
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_KINDS = tuple(str(kind) for kind in Kind)
_STEP_VALUES: Mapping[str, tuple[Any, str]] = {
    "interface": (lambda value: value in _KINDS, "one of " + ", ".join(_KINDS)),
    "step": (lambda value: isinstance(value, str) and 0 < len(value) <= 255, "give the name of a step"),
    "args": (lambda value: isinstance(value, dict), "give an object"),
    "priority": (_is_priority, "give a number of at least 0"),
    "order": (_is_priority, "give a number of at least 0"),
}
"""What the values of a step may be, and how to say so."""


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
