"""All rules, and a run of them without a test runner."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from baremetal_interfaces.conformance import connection_rules, declaration_rules, machine_rules, options_rules
from baremetal_interfaces.conformance.outcome import NotOffered, Result, Verdict, Violation
from baremetal_interfaces.conformance.subject import Subject

Rule = Callable[[Subject], None]
"""A check: its name is that of the function, its rule the first line of the documentation."""

RULES: tuple[Rule, ...] = (
    declaration_rules.hardware_type_is_described,
    declaration_rules.interfaces_are_of_their_kind,
    declaration_rules.states_and_devices_are_declared_by_value,
    declaration_rules.steps_can_be_called,
    options_rules.options_are_documented,
    options_rules.required_options_are_named_together,
    options_rules.driver_info_is_accepted,
    options_rules.secrets_are_not_shown,
    declaration_rules.validation_asks_nobody,
    declaration_rules.connector_knows_every_exception,
    machine_rules.power_state_is_read,
    machine_rules.declared_power_states_are_reached,
    machine_rules.power_commands_may_be_repeated,
    machine_rules.boot_devices_are_set_and_read_back,
    connection_rules.sessions_are_freed,
    connection_rules.threads_do_not_disturb_each_other,
    connection_rules.silence_is_unreachable_in_time,
    connection_rules.wrong_password_is_tried_once,
)


def sentence(rule: Rule) -> str:
    """The rule in one sentence."""
    return (rule.__doc__ or rule.__name__).strip().splitlines()[0]


def run(subject: Subject, rules: tuple[Rule, ...] = RULES) -> Iterator[Result]:
    """Check one rule after the other. What a plugin raises fails the rule at hand and no other."""
    for rule in rules:
        yield _examine(rule, subject)


def _examine(rule: Rule, subject: Subject) -> Result:
    verdict, detail = Verdict.PASSED, ""
    try:
        rule(subject)
    except NotOffered as exc:
        verdict, detail = Verdict.NOT_OFFERED, str(exc)
    except Violation as exc:
        verdict, detail = Verdict.FAILED, str(exc)
    except Exception as exc:
        verdict, detail = Verdict.FAILED, f"{type(exc).__name__}: {exc}"
    return Result(rule.__name__, sentence(rule), verdict, detail)
