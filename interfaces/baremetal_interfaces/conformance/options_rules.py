"""Rules about the options of ``driver_info``: help texts, secrets, validation, and the errors for wrong values."""

from __future__ import annotations

from collections.abc import Mapping

from baremetal_interfaces.conformance.outcome import NotOffered, demand
from baremetal_interfaces.conformance.subject import Subject
from baremetal_interfaces.errors import InvalidInput
from baremetal_interfaces.options import DriverInfo, Option
from baremetal_interfaces.redaction import scrub
from baremetal_interfaces.secret_fields import MASK, is_secret_name

_CANARY = "C4nary-of-the-kit"
"""A value in place of a secret, which must not be shown."""
_NO_VALUE: list[str] = []
_WRONG_VALUES: dict[type, object] = {bool: "perhaps", int: "many", float: "many", dict: "no object"}


def options_are_documented(subject: Subject) -> None:
    """Each option of driver_info has a help text, and options with the name of a secret are declared as secret."""
    for option in _options(subject):
        demand(option.help.strip(), f"the option {option.name} has no help text")
        looks_secret = is_secret_name(option.name) and option.type is str
        demand(option.secret or not looks_secret, f"the option {option.name} is not declared with secret=True")


def required_options_are_named_together(subject: Subject) -> None:
    """An empty driver_info is refused with the names of all required options at once."""
    for info_type in _info_types(subject):
        required = {option.name for option in info_type.options() if option.required}
        if not required:
            continue
        named = {problem.field for problem in _refusal(info_type, {}).problems}
        missing = sorted(name for name in required if f"driver_info/{name}" not in named)
        demand(not missing, f"{info_type.__name__}: the error for an empty driver_info does not name {', '.join(missing)}")


def wrong_options_are_named_together(subject: Subject) -> None:
    """A driver_info with wrong types is refused with the names and the allowed values of all wrong options at once."""
    for info_type in _info_types(subject):
        wrong = {option.name: _WRONG_VALUES.get(option.type, _NO_VALUE) for option in info_type.options()}
        if not wrong:
            continue
        error = _refusal(info_type, wrong)
        named = {problem.field for problem in error.problems}
        missing = sorted(name for name in wrong if f"driver_info/{name}" not in named)
        demand(not missing, f"{info_type.__name__}: the error for wrong values does not name {', '.join(missing)}")
        incomplete = [problem.field for problem in error.problems if not problem.allowed.strip()]
        demand(
            not incomplete,
            f"{info_type.__name__}: the error for wrong values does not name the allowed values of {', '.join(incomplete)}",
        )


def driver_info_is_accepted(subject: Subject) -> None:
    """The given driver_info is valid for each interface, and contains only declared options."""
    declared = {option.name for option in _options(subject)}
    unknown = sorted(set(subject.driver_info) - declared)
    demand(not unknown, f"no interface declares: {', '.join(unknown)}")
    for interface in subject.interfaces.values():
        info = interface.info_type.parse(subject.driver_info) if interface.info_type is not None else None
        if info is not None and interface.connector is not None:
            demand(info.endpoint().host, f"{type(info).__name__}.endpoint() has no host: its BMC cannot be identified")


def secrets_are_not_shown(subject: Subject) -> None:
    """Neither the repr of typed driver_info nor a problem that its checks report contains a secret."""
    if not subject.secrets():
        raise NotOffered("driver_info contains no secret")
    for info_type in _info_types(subject):
        for text in _shown_texts(info_type, subject.driver_info):
            demand(_CANARY not in text, f"{info_type.__name__} shows a secret: {text.replace(_CANARY, '<secret>')}")


def _shown_texts(info_type: type[DriverInfo], driver_info: Mapping[str, object]) -> list[str]:
    """Return what *info_type* shows of a driver_info that has a canary in place of each secret.

    A canary is a value that no other text contains, unlike a password such as "password".
    """
    names = [name for name in info_type.secrets() if driver_info.get(name)]
    # The checks of a plugin may refuse the canary, so that there is no instance with it, and each alone.
    variants = [{**driver_info, **dict.fromkeys(names, _CANARY)}, *({**driver_info, name: _CANARY} for name in names)]
    texts = [str(problem) for raw in variants for problem in info_type.problems(raw)]
    texts += [repr(info_type.parse(raw)) for raw in variants if not info_type.problems(raw)]
    texts.append(_without_own_secrets(info_type, driver_info))
    if names:
        texts.append(str(_refusal(info_type, {name: [_CANARY] for name in names})))
    return texts


def _without_own_secrets(info_type: type[DriverInfo], driver_info: Mapping[str, object]) -> str:
    """Return the repr of the given driver_info, with the canary in place of each of its secrets."""
    secrets = [str(driver_info[name]) for name in info_type.secrets() if driver_info.get(name)]
    return scrub(repr(info_type.parse(driver_info)), secrets).replace(MASK, _CANARY)


def _refusal(info_type: type[DriverInfo], raw: Mapping[str, object]) -> InvalidInput:
    try:
        info_type.parse(raw)
    except InvalidInput as exc:
        return exc
    demand(False, f"{info_type.__name__} does not refuse {sorted(raw) or 'an empty driver_info'}")
    raise AssertionError  # not reached; the type checker needs it


def _options(subject: Subject) -> list[Option]:
    return [option for info_type in _info_types(subject) for option in info_type.options()]


def _info_types(subject: Subject) -> tuple[type[DriverInfo], ...]:
    if not subject.info_types():
        raise NotOffered("no interface reads driver_info")
    return subject.info_types()
