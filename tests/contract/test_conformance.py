"""The conformance kit: what keeps the contract passes, and what breaks a rule is caught by that rule."""

from __future__ import annotations

import unittest
import uuid
from collections.abc import Mapping
from typing import Any

from testtools import TestCase, TestResult

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
from baremetal_interfaces import BootDevice, BootDeviceSetting, Interface, NotSupported, PowerState, Task
from baremetal_interfaces.conformance import RULES, HardwareTypeConformance, NotOffered, Result, Subject, Violation, run
from baremetal_interfaces.conformance.outcome import Verdict
from baremetal_sdk.builtin import absent, agent, network_boot, noop, ramdisk
from tests.contract import acme, broken


class TestFakeHardware(HardwareTypeConformance):
    """Simulated machines that are driven in process."""

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


class TestFakeHardwareWithLogin(HardwareTypeConformance):
    """Simulated machines that are driven through sessions, with the interfaces that come with the runtime."""

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
    driver_info = {"fake_machine": "kit", "fake_password": "s3same"}
    unreachable = {"fake_faults": {"login": {"effect": "drop"}}}


class TestAgentNames(HardwareTypeConformance):
    """The names that need an agent keep the contract as well as any."""

    hardware_type = FakeHardware
    interfaces = {
        "power": power.FakePower,
        "management": noop.NoopManagement,
        "boot": network_boot.PXEBoot,
        "deploy": agent.DirectDeploy,
        "inspect": agent.AgentInspect,
    }


class KitTestCase(TestCase):
    """A machine in memory, and the kit on interfaces that drive it."""

    def setUp(self) -> None:
        super().setUp()
        self.address = f"10.0.0.{uuid.uuid4()}"
        self.machine = acme.MACHINES[self.address] = acme.Machine()
        self.addCleanup(acme.MACHINES.pop, self.address)

    def subject(self, interfaces: Mapping[str, Any], **settings: Any) -> Subject:
        given = {"power": acme.AcmePower, "management": acme.AcmeManagement, **interfaces}
        info = acme.driver_info(self.address)
        timing = {"timeout": 0.05, "poll_interval": 0.01}
        return Subject(given, info, **{"hardware_type": acme.AcmeHardware, **timing, **settings})

    def failed(self, interfaces: Mapping[str, Any], **settings: Any) -> dict[str, str]:
        """The rules that are broken, and by what."""
        results = run(self.subject(interfaces, **settings))
        return {result.name: result.detail for result in results if result.verdict is Verdict.FAILED}


class TestVerdicts(KitTestCase):
    """What the kit says about plugins."""

    def test_plugin_that_keeps_the_contract_passes_every_rule(self) -> None:
        """All rules apply to a driver that logs in with a password, and each one passes."""
        results = list(run(self.subject({})))
        wanting = [result for result in results if result.verdict is not Verdict.PASSED]
        # A driver_info without steps has nothing to say about steps; everything else is offered.
        self.assertEqual(["steps_can_be_called"], [result.name for result in wanting])
        self.assertEqual(len(RULES), len(results))
        self.assertTrue(all(result.rule.endswith(".") for result in results))

    def test_each_broken_plugin_is_caught_by_its_rule(self) -> None:
        """One rule is broken by each of these, that rule is named, and the detail says what is wrong."""
        cases: list[tuple[Mapping[str, type[Interface]], str, str]] = [
            ({"power": broken.Disobedient}, "declared_power_states_are_reached", "'soft power off' is declared"),
            ({"power": broken.Touchy}, "power_commands_may_be_repeated", "power on already"),
            ({"power": broken.Curious}, "validation_asks_nobody", "tried to open 1 session"),
            ({"power": broken.Vague}, "validation_asks_nobody", "refuses the given driver_info"),
            ({"power": broken.Misdeclared}, "steps_can_be_called", "['depth']"),
            ({"power": broken.Newer}, "hardware_type_is_described", "(99, 0)"),
            ({"management": broken.Forgetful}, "boot_devices_are_set_and_read_back", "persistent=True is read back"),
            ({"management": broken.Fleeting}, "boot_devices_are_set_and_read_back", "persistent=False is read back"),
            ({"management": broken.Unwilling}, "boot_devices_are_set_and_read_back", "each is refused"),
            ({"management": acme.AcmePower}, "interfaces_are_of_their_kind", "is no management interface"),
            (broken.with_connector(broken.Leaking), "sessions_are_freed", "files more are open"),
            (broken.with_connector(broken.Unclear), "silence_is_unreachable_in_time", "not BMCUnreachable"),
            ({"power": broken.Insistent}, "wrong_password_is_tried_once", "2 logins were tried"),
            (broken.with_connector(broken.Fragile), "connector_knows_every_exception", "raises AttributeError"),
            (broken.with_info(broken.Talkative), "secrets_are_not_shown", "shows a secret"),
            (broken.with_info(broken.OneByOne), "required_options_are_named_together", "acme_password"),
        ]
        for interfaces, rule, detail in cases:
            failed = self.failed(interfaces)
            self.assertEqual([rule], list(failed), str(interfaces))
            self.assertIn(detail, failed[rule])

    def test_device_that_one_machine_refuses_breaks_no_rule(self) -> None:
        """Where some devices are taken, the others may be refused by the machine."""

        class Choosy(acme.AcmeManagement):
            def set_boot_device(self, task: Task, device: BootDevice, persistent: bool = False) -> None:
                if device is BootDevice.PXE:
                    raise NotSupported("no network here")
                super().set_boot_device(task, device, persistent)

        self.assertEqual({}, self.failed({"management": Choosy}))

    def test_options_without_help_or_secrecy_are_caught(self) -> None:
        """The option is named; a password that is not declared secret is visible in other ways, too."""
        self.assertIn("acme_port has no help", self.failed(broken.with_info(broken.OpenHearted))["options_are_documented"])

    def test_state_that_is_no_power_state_is_caught(self) -> None:
        """Text of a driver's own is no answer."""
        self.assertIn("'On'", self.failed({"power": broken.Wordy})["power_state_is_read"])

    def test_states_that_cannot_be_asked_for_are_caught(self) -> None:
        """UNKNOWN is an observation, and on and off are the least."""
        failed = self.failed({"power": broken.Undeclared})
        self.assertIn("PowerState.UNKNOWN", failed["states_and_devices_are_declared_by_value"])

    def test_instance_that_keeps_things_about_a_node_is_caught(self) -> None:
        """Threads that read at the same time all have to get the answer."""
        self.assertEqual(["threads_do_not_disturb_each_other"], list(self.failed({"power": broken.Racing}, timeout=30.0)))

    def test_unknown_option_in_driver_info_is_caught(self) -> None:
        """A misspelt option is not silently ignored."""
        subject = self.subject({})
        subject.driver_info["acme_adress"] = "x"
        failed = [result.detail for result in run(subject) if result.verdict is Verdict.FAILED]
        self.assertEqual(["no interface declares: acme_adress"], failed)

    def test_hardware_type_without_a_word_is_caught(self) -> None:
        """The operator has to be told what it is for."""
        failed = self.failed({}, hardware_type=broken.Nameless)
        self.assertIn("no documentation of its own", failed["hardware_type_is_described"])

    def test_what_is_not_offered_is_said(self) -> None:
        """A rule about something that a plugin does not have is neither passed nor passed over."""
        found = {one.name: one for one in run(Subject({"management": noop.NoopManagement}, {}))}
        expected = "the management interface sets no boot devices"
        self.assertEqual(Verdict.NOT_OFFERED, found["boot_devices_are_set_and_read_back"].verdict)
        self.assertEqual(expected, found["boot_devices_are_set_and_read_back"].detail)
        self.assertEqual("there is no power interface", found["power_state_is_read"].detail)

    def test_mistake_of_a_plugin_fails_one_rule_only(self) -> None:
        """A rule that a plugin crashes is broken, and the next one is checked."""

        def crash(subject: Subject) -> None:
            """Crashes."""
            raise KeyError("mistake")

        def pass_on(subject: Subject) -> None:
            """Passes."""

        results = list(run(self.subject({}), (crash, pass_on)))
        self.assertEqual(Result("crash", "Crashes.", Verdict.FAILED, "KeyError: 'mistake'"), results[0])
        self.assertEqual(Verdict.PASSED, results[1].verdict)


class TestLeftAsFound(KitTestCase):
    """The kit puts back what it changes."""

    def test_power_and_boot_device_are_as_before(self) -> None:
        """Whatever they were."""
        for state in (PowerState.ON, PowerState.OFF):
            for boot_device in (BootDeviceSetting(BootDevice.DISK, True), BootDeviceSetting(BootDevice.PXE, False)):
                self.machine.power, self.machine.boot = state, boot_device
                self.assertEqual({}, self.failed({}))
                self.assertEqual((state, boot_device), (self.machine.power, self.machine.boot))

    def test_power_is_put_back_after_a_broken_rule_too(self) -> None:
        """A machine that was on is on again, although a command failed in between."""
        self.machine.power = PowerState.ON
        self.assertEqual(["power_commands_may_be_repeated"], list(self.failed({"power": broken.Touchy})))
        self.assertEqual(PowerState.ON, self.machine.power)


class TestBaseClass(TestCase):
    """The kit as a base class of test cases."""

    def names(self, case: type[unittest.TestCase]) -> list[str]:
        return list(unittest.defaultTestLoader.getTestCaseNames(case))

    def test_base_class_has_no_tests(self) -> None:
        """A module that imports it does not run it."""
        self.assertEqual([], self.names(HardwareTypeConformance))

    def test_subclass_without_a_subject_has_no_tests(self) -> None:
        """What several plugins share can be put into a class between."""

        class Between(HardwareTypeConformance):
            power_timeout = 1.0

        class Last(Between):
            hardware_type = "acme"

        self.assertEqual([], self.names(Between))
        self.assertEqual(len(RULES), len(self.names(Last)))

    def test_each_test_states_its_rule(self) -> None:
        """A test runner shows the sentence."""
        self.assertEqual(
            "get_power_state gives ON, OFF or UNKNOWN, as a PowerState.",
            (TestFakeHardware.test_power_state_is_read.__doc__ or "").strip(),  # type: ignore[attr-defined]
        )

    def test_result_of_a_rule_is_the_result_of_its_test(self) -> None:
        """A broken rule is a failure, and what is not offered is a skip that says so."""

        def breaks(subject: Subject) -> None:
            """Breaks."""
            raise Violation("broken by this")

        def lacks(subject: Subject) -> None:
            """Lacks."""
            raise NotOffered("there is none")

        class Plugin(HardwareTypeConformance):
            interfaces = {"power": power.FakePower}
            rules = (breaks, lacks)

        result = TestResult()
        for name in ("test_breaks", "test_lacks"):
            Plugin(name).run(result)
        self.assertIn("broken by this", result.failures[0][1])
        self.assertEqual(["not offered: there is none"], list(result.skip_reasons))
