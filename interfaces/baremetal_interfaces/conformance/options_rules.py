"""Rules about ``driver_info``."""

from __future__ import annotations

from collections.abc import Mapping

from baremetal_interfaces.conformance.outcome import NotOffered, demand
from baremetal_interfaces.conformance.subject import Subject
from baremetal_interfaces.errors import InvalidInput
from baremetal_interfaces.options import DriverInfo, Option

_SOUNDS_SECRET = ("password", "passwd", "secret", "token", "kg_key", "private_key")


_NO_VALUE: list[str] = []
_WRONG_VALUES: dict[type, object] = {bool: "perhaps", int: "many", float: "many", dict: "no object"}


def options_are_documented(subject: Subject) -> None:
    """Every option of driver_info has a help text, and what sounds like a secret is declared as one."""
    for option in _options(subject):
        demand(option.help.strip(), f"the option {option.name} has no help text")
        sounds_secret = any(part in option.name for part in _SOUNDS_SECRET) and option.type is str
        demand(option.secret or not sounds_secret, f"the option {option.name} is not declared with secret=True")


def required_options_are_named_together(subject: Subject) -> None:
    """A driver_info without its required options is refused with all of their names at once."""
    for info_type in _info_types(subject):
        required = {option.name for option in info_type.options() if option.required}
        if not required:
            continue
        named = {problem.field for problem in _refusal(info_type, {}).problems}
        missing = sorted(name for name in required if f"driver_info/{name}" not in named)
        demand(not missing, f"{info_type.__name__}: the error for an empty driver_info does not name {', '.join(missing)}")


def wrong_options_are_named_together(subject: Subject) -> None:
    """A driver_info of which every option is of a wrong type is refused with all of their names, and what is allowed, at once."""
    for info_type in _info_types(subject):
        wrong = {option.name: _WRONG_VALUES.get(option.type, _NO_VALUE) for option in info_type.options()}
        if not wrong:
            continue
        error = _refusal(info_type, wrong)
        named = {problem.field for problem in error.problems}
        missing = sorted(name for name in wrong if f"driver_info/{name}" not in named)
        demand(not missing, f"{info_type.__name__}: the error for wrong values does not name {', '.join(missing)}")
        silent = [problem.field for problem in error.problems if not problem.allowed.strip()]
        demand(not silent, f"{info_type.__name__}: the error does not say what is allowed for {', '.join(silent)}")


def driver_info_is_accepted(subject: Subject) -> None:
    """The driver_info that was given to the kit is valid for every interface, and names only declared options."""
    declared = {option.name for option in _options(subject)}
    unknown = sorted(set(subject.driver_info) - declared)
    demand(not unknown, f"no interface declares: {', '.join(unknown)}")
    for interface in subject.interfaces.values():
        info = interface.info_type.parse(subject.driver_info) if interface.info_type is not None else None
        if info is not None and interface.connector is not None:
            demand(info.endpoint().host, f"{type(info).__name__}.endpoint() has no host: nothing tells its BMC from others")


def secrets_are_not_shown(subject: Subject) -> None:
    """A secret is seen neither in the repr of the typed information nor in an error about it."""
    secrets = subject.secrets()
    if not secrets:
        raise NotOffered("driver_info holds no secret")
    for info_type in _info_types(subject):
        shown = [repr(info_type.parse(subject.driver_info)), *map(str, _bad_secrets(info_type, secrets))]
        for text in shown:
            demand(not any(secret in text for secret in secrets), f"{info_type.__name__} shows a secret: {text}")


def _bad_secrets(info_type: type[DriverInfo], secrets: frozenset[str]) -> list[InvalidInput]:
    """The errors for a driver_info whose secrets are of the wrong type, but are there."""
    wrong = {name: list(secrets) for name in info_type.secrets()}
    return [_refusal(info_type, wrong)] if wrong else []


def _refusal(info_type: type[DriverInfo], raw: Mapping[str, object]) -> InvalidInput:
    try:
        info_type.parse(raw)
    except InvalidInput as exc:
        return exc
    demand(False, f"{info_type.__name__} accepts {sorted(raw) or 'an empty driver_info'}")
    raise AssertionError  # not reached: for the type checker


def _options(subject: Subject) -> list[Option]:
    return [option for info_type in _info_types(subject) for option in info_type.options()]


def _info_types(subject: Subject) -> tuple[type[DriverInfo], ...]:
    if not subject.info_types():
        raise NotOffered("no interface reads driver_info")
    return subject.info_types()
