"""The conformance kit: correct plugins pass, and each broken plugin fails the rule that it breaks."""

from __future__ import annotations

import re
import unittest
import uuid
from collections.abc import Mapping
from typing import Any

from testtools import TestCase, TestResult

from baremetal_fake import Rack, share
from baremetal_fake.hardware import FakeHardware
from baremetal_fake.interfaces import (
    bios,
    boot,
    console,
    deploy,
    firmware,
    inspect,
    management,
    power,
    raid,
    rescue,
    storage,
    vendor,
)
from baremetal_interfaces import (
    BMCBusy,
    BMCUnreachable,
    BootDevice,
    BootDeviceSetting,
    Busy,
    DeadlineExceeded,
    DriverError,
    Interface,
    NotSupported,
    PowerState,
    Task,
    UnexpectedAnswer,
)
from baremetal_interfaces.conformance import (
    RULES,
    HardwareTypeConformance,
    NotOffered,
    Result,
    Subject,
    Violation,
    connection_rules,
    run,
)
from baremetal_interfaces.conformance.outcome import Verdict
from baremetal_sdk.drivers.builtin import absent, agent, network_boot, noop, ramdisk
from tests.contract import acme, broken

RACK = share(Rack("kit"))
MISBEHAVING: dict[str, dict[str, Any]] = {
    "slow": {"fake_faults": {"get_power": {"effect": "slow", "seconds": 0.2}}},
    "silent": {"fake_faults": {"get_*": {"effect": "hang"}, "login": {"effect": "hang"}}},
    "wrong": {"fake_faults": {"get_*": {"effect": "wrong"}}},
    "away": {"fake_faults": {"get_*": {"effect": "drop", "times": 1}}},
    "lies": {"fake_faults": {"set_power": {"effect": "lose"}}},
}
"""Behavior of a simulated BMC -> driver_info with the fault plan for it."""


class TestFakeHardware(HardwareTypeConformance):
    """The fake plugin with direct calls of simulated machines."""

    hardware_type = FakeHardware
    interfaces = {
        "power": power.FakePower,
        "management": management.FakeManagement,
        "boot": boot.FakeBoot,
        "deploy": deploy.FakeDeploy,
        "inspect": inspect.FakeInspect,
        "bios": bios.FakeBIOS,
        "raid": raid.FakeRAID,
        "firmware": firmware.FakeFirmware,
        "console": console.FakeConsole,
        "rescue": rescue.FakeRescue,
        "network": noop.NoopNetwork,
        "storage": storage.FakeStorage,
        "vendor": vendor.FakeVendor,
    }
    driver_info = {"fake_machine": "in-process", "fake_rack": "kit"}
    misbehaving = MISBEHAVING
    destructive = True


class TestFakeHardwareWithLogin(HardwareTypeConformance):
    """The fake plugin with sessions, together with the built-in interfaces of the runtime."""

    hardware_type = FakeHardware
    interfaces = {
        "power": power.FakeBMCPower,
        "management": management.FakeBMCManagement,
        "boot": network_boot.IPXEBoot,
        "deploy": ramdisk.RamdiskDeploy,
        "inspect": absent.NoInspect,
        "bios": absent.NoBIOS,
        "raid": absent.NoRAID,
        "firmware": absent.NoFirmware,
        "console": absent.NoConsole,
        "rescue": absent.NoRescue,
        "network": noop.NoopNetwork,
        "storage": noop.NoopStorage,
        "vendor": absent.NoVendor,
    }
    driver_info = {"fake_machine": "by-session", "fake_rack": "kit", "fake_password": "s3same"}
    misbehaving = MISBEHAVING
    unreachable = {"fake_faults": {"login": {"effect": "drop"}}}


class TestAgentNames(HardwareTypeConformance):
    """The built-in interfaces that need an agent."""

    hardware_type = FakeHardware
    interfaces = {
        "power": power.FakePower,
        "management": noop.NoopManagement,
        "boot": network_boot.PXEBoot,
        "deploy": agent.DirectDeploy,
        "inspect": agent.AgentInspect,
    }


def trouble_rules_of(rules: tuple[Any, ...]) -> list[Any]:
    """Return the rules about misbehaving BMCs."""
    return [rule for rule in rules if rule.__module__.endswith("trouble_rules")]


BROKEN: list[tuple[Mapping[str, type[Interface]], str, str]] = [
    ({"power": broken.IgnoredSoftOff}, "declared_power_states_are_reached", "'soft power off' is declared"),
    ({"power": broken.FailingRepeat}, "power_commands_may_be_repeated", "power on already"),
    ({"power": broken.ConnectingValidation}, "validation_asks_nobody", "tried to open 1 session"),
    ({"power": broken.UnnamedField}, "validation_asks_nobody", "refuses the given driver_info"),
    ({"power": broken.MisdeclaredStep}, "steps_can_be_called", "['depth']"),
    ({"power": broken.NewerContract}, "hardware_type_is_described", "(99, 0)"),
    ({"power": broken.StateInDriver}, "another_instance_sees_the_same", "another instance of the driver reads"),
    ({"power": broken.AssumedState}, "ignored_command_is_found_out", "is reported as reached"),
    ({"power": broken.BlockedCall}, "silent_bmc_is_given_up_in_time", "did not come back"),
    ({"power": broken.UnreturnedSession}, "sessions_are_given_back", "2 session(s) were opened, and 1 given back"),
    ({"power": broken.SecretInError}, "errors_hold_no_secret", "<secret> is refused"),
    ({"power": broken.SecretInLog}, "log_lines_hold_no_secret", "baremetal_chatty"),
    ({"power": broken.UndeclaredCommand}, "undeclared_power_state_is_not_carried_out", "the driver takes it"),
    ({"power": broken.UnreachableAsOff}, "silence_is_unreachable_in_time", "has an answer"),
    ({"power": broken.NonsenseAsOff}, "nonsense_is_an_unexpected_answer", "makes no sense"),
    ({"power": broken.NonsenseAsRefusal}, "nonsense_is_an_unexpected_answer", "refused credentials"),
    ({"power": broken.NoReconnect}, "restarting_bmc_is_unreachable_and_comes_back", "the BMC has recovered"),
    ({"power": broken.IgnoredDeadline}, "calls_heed_their_deadline", "returned an answer"),
    ({"management": broken.IgnoredBootDevice}, "boot_devices_are_set_and_read_back", "persistent=True is read back"),
    ({"management": broken.IgnoredPersistence}, "boot_devices_are_set_and_read_back", "persistent=False is read back"),
    ({"management": broken.RefusedBootDevices}, "boot_devices_are_set_and_read_back", "each is refused"),
    ({"management": broken.ChangingRead}, "asking_changes_nothing", "reads changed settings of the machine: the boot device"),
    (
        {"management": broken.UnsupportedBootDevice},
        "undeclared_boot_device_is_not_set",
        "is not among the supported boot devices",
    ),
    ({"management": broken.MissingMixin}, "capabilities_are_declared", "does not inherit BootModeControl"),
    ({"management": broken.IgnoredBootMode}, "boot_modes_are_set_and_read_back", "is read back"),
    ({"management": broken.TextSecureBoot}, "secure_boot_is_read", "'Enabled' is not a bool"),
    ({"management": acme.AcmePower}, "interfaces_are_of_their_kind", "is not a management interface"),
    ({"bios": broken.DuplicateSetting}, "bios_settings_are_read", "more than once"),
    ({"raid": broken.UncheckedRAID}, "raid_configuration_is_checked_at_once", "-1 GiB"),
    ({"inspect": broken.UpperCaseMAC}, "inspection_finds_what_can_be_stored", "AA:BB"),
    ({"firmware": broken.UncheckedComponent}, "unknown_firmware_component_is_refused", "a component that does not exist"),
    ({"console": broken.FailingConsoleStart}, "console_is_started_and_stopped", "start_console fails"),
    ({"vendor": broken.UndescribedMethod}, "vendor_methods_can_be_called", "has no description"),
    ({"storage": broken.FailingAttach}, "volumes_are_attached_and_detached", "attach_volumes fails"),
    ({"network": broken.FailingDetach}, "networks_are_attached_and_detached", "detach for provisioning fails"),
    ({"boot": broken.FailingCleanUp}, "boot_is_prepared_and_undone", "clean_up_instance fails"),
    (broken.with_connector(broken.LeakingConnector), "sessions_are_freed", "more files are open"),
    (broken.with_connector(broken.UnclearConnector), "silence_is_unreachable_in_time", "not BMCUnreachable"),
    ({"power": broken.RepeatedLogin}, "wrong_password_is_tried_once", "2 logins were tried"),
    (broken.with_connector(broken.FragileConnector), "connector_knows_every_exception", "raises AttributeError"),
    (broken.with_info(broken.SecretInRepr), "secrets_are_not_shown", "shows a secret"),
    (broken.with_info(broken.SingleProblemInfo), "required_options_are_named_together", "acme_password"),
]
"""Broken interface by kind, the rule that must catch it, and a part of the detail."""

_NO_ANSWER = {
    "silence_is_unreachable_in_time",
    "silent_bmc_is_given_up_in_time",
    "restarting_bmc_is_unreachable_and_comes_back",
}
_FINAL_RULE = {"all_is_left_as_it_was_found"}
CONSEQUENCES: dict[str, set[str]] = {
    "another_instance_sees_the_same": _FINAL_RULE | {"ignored_command_is_found_out"},
    "silence_is_unreachable_in_time": _NO_ANSWER,
    "asking_changes_nothing": _FINAL_RULE | {"boot_devices_are_set_and_read_back", "undeclared_boot_device_is_not_set"},
    "boot_devices_are_set_and_read_back": _FINAL_RULE,
    "capabilities_are_declared": {"what_is_not_offered_is_not_supported"},
    "secure_boot_is_read": {"secure_boot_is_set_and_read_back", "threads_do_not_disturb_each_other"},
    "bios_settings_are_read": {"unknown_bios_setting_is_refused", "threads_do_not_disturb_each_other"},
    "wrong_password_is_tried_once": {"restarting_bmc_is_unreachable_and_comes_back"},
    "required_options_are_named_together": {"wrong_options_are_named_together"},
}
"""Rule -> other rules that fail if it is broken."""


class KitTestCase(TestCase):
    """Base of tests with a machine in memory and interfaces that drive it."""

    def setUp(self) -> None:
        super().setUp()
        self.address = f"10.0.0.{uuid.uuid4()}"
        self.machine = acme.MACHINES[self.address] = acme.Machine()
        self.addCleanup(acme.MACHINES.pop, self.address)

    def subject(self, interfaces: Mapping[str, Any], **settings: Any) -> Subject:
        given = {"power": acme.AcmePower, "management": acme.AcmeManagement, **interfaces}
        info = acme.driver_info(self.address)
        timing = {"timeout": 0.3, "poll_interval": 0.01, "grace": 0.5, "silence": 0.1}
        given_by = {"hardware_type": acme.AcmeHardware, "misbehaving": acme.misbehaving(self.address)}
        return Subject(given, info, **{**given_by, **timing, **settings})

    def failed(self, interfaces: Mapping[str, Any], **settings: Any) -> dict[str, str]:
        """Run all rules and return the failed ones: name -> detail."""
        self.machine.restarted = False
        results = run(self.subject(interfaces, **settings))
        return {result.name: result.detail for result in results if result.verdict is Verdict.FAILED}


class TestVerdicts(KitTestCase):
    """Verdicts of the kit."""

    def test_correct_plugin_breaks_no_rule(self) -> None:
        """A correct driver with a password breaks no rule; rules about other kinds are not offered."""
        results = list(run(self.subject({})))
        self.assertEqual([], [result for result in results if result.verdict is Verdict.FAILED])
        self.assertEqual(len(RULES) + 1, len(results))
        self.assertTrue(all(result.rule.endswith(".") for result in results))
        passed = {result.name for result in results if result.verdict is Verdict.PASSED}
        self.assertEqual(set(), {rule.__name__ for rule in trouble_rules_of(RULES)} - passed)

    def test_refused_boot_device_breaks_no_rule(self) -> None:
        """A machine may refuse some boot devices, if it accepts others."""

        class SelectiveManagement(acme.AcmeManagement):
            def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
                if device is BootDevice.PXE:
                    raise NotSupported("no network here")
                super().set_boot_device(task, device, persistent)

        self.assertEqual({}, self.failed({"management": SelectiveManagement}))

    def test_undocumented_option_is_caught(self) -> None:
        """The detail names an option without a help text."""
        self.assertIn("acme_port has no help", self.failed(broken.with_info(broken.UndocumentedInfo))["options_are_documented"])

    def test_power_state_of_a_wrong_type_is_caught(self) -> None:
        """A text that is not a PowerState fails the rule."""
        self.assertIn("'On'", self.failed({"power": broken.TextState})["power_state_is_read"])

    def test_undeclarable_power_states_are_caught(self) -> None:
        """UNKNOWN cannot be requested and must not be declared."""
        failed = self.failed({"power": broken.UnrequestableStates})
        self.assertIn("PowerState.UNKNOWN", failed["states_and_devices_are_declared_by_value"])

    def test_unknown_option_in_driver_info_is_caught(self) -> None:
        """A misspelled option in driver_info fails the rule."""
        subject = self.subject({})
        subject.driver_info["acme_adress"] = "x"
        failed = [result.detail for result in run(subject) if result.verdict is Verdict.FAILED]
        self.assertEqual(["no interface declares: acme_adress"], failed)

    def test_hardware_type_without_a_docstring_is_caught(self) -> None:
        """A hardware type needs a description for operators."""
        failed = self.failed({}, hardware_type=broken.UndescribedHardware)
        self.assertIn("has no docstring", failed["hardware_type_is_described"])

    def test_missing_capability_is_reported(self) -> None:
        """A rule about a missing capability is reported as not offered, with the reason."""
        found = {result.name: result for result in run(Subject({"management": noop.NoopManagement}, {}))}
        expected = "the management interface sets no boot devices"
        self.assertEqual(Verdict.NOT_OFFERED, found["boot_devices_are_set_and_read_back"].verdict)
        self.assertEqual(expected, found["boot_devices_are_set_and_read_back"].detail)
        self.assertEqual("there is no power interface", found["power_state_is_read"].detail)

    def test_exception_of_a_plugin_fails_one_rule(self) -> None:
        """An unexpected exception fails the current rule, and the next rule is checked."""

        def crash(subject: Subject) -> None:
            """Crashes."""
            raise KeyError("mistake")

        def succeed(subject: Subject) -> None:
            """Passes."""

        results = list(run(self.subject({}), (crash, succeed)))
        self.assertEqual(Result("crash", "Crashes.", Verdict.FAILED, "KeyError: 'mistake'"), results[0])
        self.assertEqual(Verdict.PASSED, results[1].verdict)


class TestBrokenPlugins(KitTestCase):
    """Each plugin of ``BROKEN`` has one fault. Its rule fails and names the fault; no unrelated rule fails."""

    def check_broken_plugin(self, interfaces: Mapping[str, type[Interface]], rule: str, detail: str) -> None:
        """Assert that *rule* fails with *detail*, and that no rule fails but *rule* and its consequences."""
        failed = self.failed(interfaces)
        self.assertIn(rule, failed)
        self.assertIn(detail, failed[rule])
        self.assertEqual(set(), set(failed) - {rule} - CONSEQUENCES.get(rule, set()))

    def test_every_broken_plugin_has_a_test(self) -> None:
        """The generated tests are as many as the broken plugins."""
        names = unittest.defaultTestLoader.getTestCaseNames(type(self))
        self.assertEqual(len(BROKEN), sum("_is_caught_by_" in name for name in names))
        self.assertGreaterEqual(len(BROKEN), 20)


def _add_tests_of_broken_plugins() -> None:
    """Give :class:`TestBrokenPlugins` one test method for each row of ``BROKEN``."""
    for interfaces, rule, detail in BROKEN:

        def test(
            self: TestBrokenPlugins,
            interfaces: Mapping[str, type[Interface]] = interfaces,
            rule: str = rule,
            detail: str = detail,
        ) -> None:
            self.check_broken_plugin(interfaces, rule, detail)

        (plugin,) = interfaces.values()
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", plugin.__name__).lower()
        test.__name__ = f"test_{name}_is_caught_by_{rule}"
        test.__doc__ = f"The plugin {plugin.__name__} breaks the rule {rule}."
        setattr(TestBrokenPlugins, test.__name__, test)


_add_tests_of_broken_plugins()


class TestParallelReads(KitTestCase):
    """The rule about threads reports disturbed answers, and does not blame a plugin for a machine under load."""

    def result(self, power_interface: Interface | type[Interface], timeout: float = 0.3) -> Result:
        """Check the one rule on *power_interface*."""
        subject = self.subject({"power": power_interface}, timeout=timeout)
        return next(run(subject, (connection_rules.threads_do_not_disturb_each_other,)))

    def overloaded(self, error: type[DriverError | Busy], failing_calls: int) -> type[broken.Overloaded]:
        return type("Overloaded", (broken.Overloaded,), {"error": error, "failing_calls": failing_calls})

    def test_instance_that_keeps_state_of_a_node_is_caught(self) -> None:
        """An answer of another thread is evidence, and fails the rule."""
        result = self.result(broken.SharedState, timeout=30.0)
        self.assertEqual(Verdict.FAILED, result.verdict)
        self.assertIn("PowerState.UNKNOWN", result.detail)

    def test_instance_that_blocks_other_threads_is_caught(self) -> None:
        """A call that does not return in any round, although a single thread gets an answer, fails the rule."""
        self.patch(connection_rules, "MIN_PARALLEL_TIMEOUT_S", 0.3)
        result = self.result(broken.Deadlocking)
        self.assertEqual(Verdict.FAILED, result.verdict)
        self.assertIn("did not come back", result.detail)

    def test_connection_that_breaks_in_every_round_is_caught(self) -> None:
        """BMCUnreachable in each parallel round, and never for a single thread, fails the rule."""
        result = self.result(self.overloaded(BMCUnreachable, failing_calls=10**9))
        self.assertEqual(Verdict.FAILED, result.verdict)
        self.assertIn("in every round with BMCUnreachable", result.detail)

    def test_other_error_in_parallel_is_caught(self) -> None:
        """An error that does not come from a slow machine is evidence at once."""
        result = self.result(self.overloaded(UnexpectedAnswer, failing_calls=1))
        self.assertEqual(Verdict.FAILED, result.verdict)
        self.assertIn("UnexpectedAnswer", result.detail)

    def test_plugin_on_a_slow_machine_is_not_accused(self) -> None:
        """Errors that say "later" in every round make the rule inconclusive, not broken."""
        for error in (DeadlineExceeded, Busy, BMCBusy):
            result = self.result(self.overloaded(error, failing_calls=10**9))
            self.assertEqual(Verdict.NOT_OFFERED, result.verdict, result.detail)
            self.assertIn("inconclusive", result.detail)

    def test_plugin_that_answers_in_a_later_round_passes(self) -> None:
        """A late answer or a broken connection in the first round alone is forgotten."""
        for error in (DeadlineExceeded, Busy, BMCBusy, BMCUnreachable):
            result = self.result(self.overloaded(error, failing_calls=2))
            self.assertEqual(Verdict.PASSED, result.verdict, result.detail)


class TestLeftAsFound(KitTestCase):
    """The kit restores the machine."""

    def test_power_and_boot_device_are_restored(self) -> None:
        """The kit restores each combination of power state and boot device."""
        for state in (PowerState.ON, PowerState.OFF):
            for boot_device in (BootDeviceSetting(BootDevice.DISK, True), BootDeviceSetting(BootDevice.PXE, False)):
                self.machine.power, self.machine.boot = state, boot_device
                self.assertEqual({}, self.failed({}))
                self.assertEqual(state, self.machine.power)
                self.assertEqual(boot_device, self.machine.boot)

    def test_power_is_restored_after_a_broken_rule(self) -> None:
        """A machine that was on is on again, even if a command failed."""
        self.machine.power = PowerState.ON
        self.assertEqual(["power_commands_may_be_repeated"], list(self.failed({"power": broken.FailingRepeat})))
        self.assertEqual(PowerState.ON, self.machine.power)


class TestBaseClass(TestCase):
    """HardwareTypeConformance"""

    def names(self, case: type[unittest.TestCase]) -> list[str]:
        return list(unittest.defaultTestLoader.getTestCaseNames(case))

    def test_base_class_has_no_tests(self) -> None:
        """The base class itself has no tests, so a module that imports it does not run them."""
        self.assertEqual([], self.names(HardwareTypeConformance))

    def test_subclass_without_a_subject_has_no_tests(self) -> None:
        """A subclass without hardware type and interfaces has no tests, and can be a common base."""

        class Common(HardwareTypeConformance):
            power_timeout = 1.0

        class Concrete(Common):
            hardware_type = "acme"

        self.assertEqual([], self.names(Common))
        self.assertEqual(len(RULES), len(self.names(Concrete)))

    def test_each_test_states_its_rule(self) -> None:
        """The docstring of a test is the sentence of its rule."""
        self.assertEqual(
            "Repeated reads of the power state return values of the right type.",
            (TestFakeHardware.test_power_state_is_read.__doc__ or "").strip(),  # type: ignore[attr-defined]
        )

    def test_verdicts_are_failures_and_skips(self) -> None:
        """A broken rule is a test failure, and a missing capability is a skip with the reason."""

        def break_rule(subject: Subject) -> None:
            """Break the rule."""
            raise Violation("broken by this")

        def lack(subject: Subject) -> None:
            """Lack the capability."""
            raise NotOffered("there is none")

        class Plugin(HardwareTypeConformance):
            interfaces = {"power": power.FakePower}
            rules = (break_rule, lack)

        result = TestResult()
        for name in ("test_break_rule", "test_lack"):
            Plugin(name).run(result)
        self.assertIn("broken by this", result.failures[0][1])
        self.assertEqual(["not offered: there is none"], list(result.skip_reasons))
