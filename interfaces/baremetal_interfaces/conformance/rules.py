"""All rules, and a function that checks them without a test runner."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from baremetal_interfaces.conformance import (
    connection_rules,
    declaration_rules,
    kind_rules,
    machine_rules,
    management_rules,
    options_rules,
    reading_rules,
    secret_rules,
    trouble_rules,
)
from baremetal_interfaces.conformance.outcome import NotOffered, Result, Verdict, Violation, demand
from baremetal_interfaces.conformance.subject import Subject

Rule = Callable[[Subject], None]
"""A check. The name of the function is its name, and the first line of the docstring states the rule."""

RULES: tuple[Rule, ...] = (
    declaration_rules.hardware_type_is_described,
    declaration_rules.interfaces_are_of_their_kind,
    declaration_rules.states_and_devices_are_declared_by_value,
    declaration_rules.steps_can_be_called,
    reading_rules.capabilities_are_declared,
    kind_rules.vendor_methods_can_be_called,
    options_rules.options_are_documented,
    options_rules.required_options_are_named_together,
    options_rules.wrong_options_are_named_together,
    options_rules.driver_info_is_accepted,
    options_rules.secrets_are_not_shown,
    declaration_rules.validation_asks_nobody,
    declaration_rules.connector_knows_every_exception,
    *reading_rules.READING_RULES,
    reading_rules.asking_changes_nothing,
    reading_rules.what_is_not_offered_is_not_supported,
    machine_rules.declared_power_states_are_reached,
    machine_rules.power_commands_may_be_repeated,
    machine_rules.undeclared_power_state_is_not_carried_out,
    machine_rules.another_instance_sees_the_same,
    machine_rules.boot_devices_are_set_and_read_back,
    management_rules.undeclared_boot_device_is_not_set,
    management_rules.boot_modes_are_set_and_read_back,
    management_rules.secure_boot_is_set_and_read_back,
    management_rules.indicators_are_set_and_read_back,
    management_rules.virtual_media_are_attached_and_detached,
    management_rules.interrupt_is_sent,
    kind_rules.boot_is_prepared_and_undone,
    kind_rules.inspection_finds_what_can_be_stored,
    kind_rules.unknown_bios_setting_is_refused,
    kind_rules.raid_configuration_is_checked_at_once,
    kind_rules.raid_is_made_and_deleted,
    kind_rules.unknown_firmware_component_is_refused,
    kind_rules.console_is_started_and_stopped,
    kind_rules.console_that_is_stopped_has_no_address,
    kind_rules.rescue_boots_and_ends,
    kind_rules.networks_are_attached_and_detached,
    kind_rules.volumes_are_attached_and_detached,
    connection_rules.sessions_are_freed,
    connection_rules.sessions_are_given_back,
    connection_rules.threads_do_not_disturb_each_other,
    connection_rules.silence_is_unreachable_in_time,
    connection_rules.wrong_password_is_tried_once,
    secret_rules.errors_hold_no_secret,
    secret_rules.log_lines_hold_no_secret,
    trouble_rules.calls_heed_their_deadline,
    trouble_rules.slow_bmc_is_waited_for,
    trouble_rules.silent_bmc_is_given_up_in_time,
    trouble_rules.nonsense_is_an_unexpected_answer,
    trouble_rules.restarting_bmc_is_unreachable_and_comes_back,
    trouble_rules.ignored_command_is_found_out,
)


def sentence(rule: Rule) -> str:
    """Return the sentence that states *rule*."""
    return (rule.__doc__ or rule.__name__).strip().splitlines()[0]


def run(subject: Subject, rules: tuple[Rule, ...] = RULES) -> Iterator[Result]:
    """Check *rules* one after the other, and finally whether all settings are as they were at the start.

    Yields each result when its check ends. An exception of a plugin fails the current rule and no other.
    """
    found: dict[str, str] = {}

    def remember(subject: Subject) -> None:
        found.update(subject.snapshot())

    def all_is_left_as_it_was_found(subject: Subject) -> None:
        """All settings that can be read back are as they were before the run."""
        if not found:
            raise NotOffered("nothing can be read back")
        now = subject.snapshot()
        changed = [f"{name}: {value} before, {now.get(name)} now" for name, value in found.items() if now.get(name) != value]
        demand(not changed, "; ".join(changed))

    _check(remember, subject)
    for rule in (*rules, all_is_left_as_it_was_found):
        yield _check(rule, subject)


def _check(rule: Rule, subject: Subject) -> Result:
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
