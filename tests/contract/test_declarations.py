"""Declarations of plugins: steps, passthru methods, states, versions."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from testtools import TestCase

from baremetal_interfaces import (
    Argument,
    Driver,
    DriverState,
    HardwareType,
    Kind,
    NotSupported,
    Phase,
    PowerInterface,
    PowerState,
    Step,
    Task,
    VendorInterface,
    is_compatible,
    passthru,
    step,
)
from baremetal_interfaces.conformance import Subject
from baremetal_interfaces.task import DriverInterfaces
from tests.contract.acme import AcmePower


class Base(PowerInterface):
    """Declares two steps, one of them for two phases."""

    def get_power_state(self, task: Task) -> PowerState:
        return PowerState.ON

    def set_power_state(self, task: Task, state: PowerState) -> None:
        """Do nothing."""

    @step(phase=Phase.CLEAN, priority=10, abortable=True, arguments={"depth": Argument("How deep.", required=True)})
    @step(phase="service")
    def scrub(self, task: Task, depth: int) -> None:
        """Scrub."""

    @step(phase="deploy", name="check", priority=5)
    def look(self, task: Task) -> None:
        """Look."""


class Derived(Base):
    """Overrides one step with a new declaration and one without."""

    def scrub(self, task: Task, depth: int) -> None:
        """Scrub better."""

    @step(phase="deploy", name="check", priority=50)
    def look(self, task: Task) -> None:
        """Look harder."""


class TestSteps(TestCase):
    """Steps of an interface."""

    def test_one_method_serves_several_phases(self) -> None:
        """Repeating the decorator declares a step for each phase."""
        self.assertEqual({Phase.CLEAN, Phase.SERVICE}, {step.phase for step in Base.steps if step.name == "scrub"})
        (clean,) = Base().steps_of(Phase.CLEAN)
        self.assertEqual(Step(Phase.CLEAN, "scrub", "scrub", 10, True, {"depth": Argument("How deep.", True)}), clean)

    def test_name_may_differ_from_the_method(self) -> None:
        """A step has a name for clients, and the name of the method that the runtime calls."""
        (deploy,) = Base().steps_of(Phase.DEPLOY)
        self.assertEqual("check", deploy.name)
        self.assertEqual("look", deploy.method)

    def test_override_inherits_the_declaration(self) -> None:
        """An override without a declaration keeps the step; a new declaration replaces it."""
        self.assertEqual(1, len(Derived().steps_of(Phase.CLEAN)))
        (deploy,) = Derived().steps_of(Phase.DEPLOY)
        self.assertEqual(50, deploy.priority)

    def test_default_poll_is_not_supported(self) -> None:
        """The default poll() raises NotSupported."""
        task = Subject({"power": Base}, {}).task()
        self.assertRaises(NotSupported, Base().poll, task, Base.steps[0], {})


class TestPassthru(TestCase):
    """Passthru methods of a vendor interface."""

    def test_declared_methods_are_offered_by_name(self) -> None:
        """The class lists its methods with their HTTP methods, inherited ones included."""

        class Vendor(VendorInterface):
            @passthru(["post"], name="send-raw", description="Send bytes.", background=False)
            def send_raw(self, task: Task, **arguments: Any) -> None:
                """Send."""

        class Child(Vendor):
            """Adds no method."""

        self.assertEqual(["send-raw"], list(Child.passthrus))
        offered = Child.passthrus["send-raw"]
        self.assertEqual("send_raw", offered.method)
        self.assertEqual(frozenset({"POST"}), offered.http_methods)
        self.assertIs(False, offered.background)

    def test_vendor_without_methods_is_allowed(self) -> None:
        """An interface without passthru methods has an empty mapping."""

        class Empty(VendorInterface):
            """Offers no method."""

        self.assertEqual({}, Empty.passthrus)


@dataclass
class StoredState(DriverState):
    """The state in its second version."""

    version = 2
    jobs: int = 0

    @classmethod
    def upgrade(cls, version: int, stored: Any) -> Any:
        return {"jobs": stored["tasks"]} if version == 1 else stored


class TestState(TestCase):
    """The state of a plugin for a node."""

    def test_stored_state_is_loaded_unchanged(self) -> None:
        """load() reverses dump(), and returns the defaults for None."""
        self.assertEqual(StoredState(3), StoredState.load(StoredState(3).dump()))
        self.assertEqual(StoredState(0), StoredState.load(None))

    def test_older_version_is_upgraded_and_unknown_fields_are_dropped(self) -> None:
        """load() reads the state of older and newer versions of the plugin."""
        self.assertEqual(StoredState(4), StoredState.load({"version": 1, "fields": {"tasks": 4}}))
        self.assertEqual(StoredState(5), StoredState.load({"version": 2, "fields": {"jobs": 5, "later": 1}}))


class TestValues(TestCase):
    """The values that drivers, runtime and clients share."""

    def test_text_of_a_value_is_its_wire_format(self) -> None:
        """str() and f-strings give the text that the API uses."""
        self.assertEqual("power on", f"{PowerState.ON}")
        self.assertEqual("power off", str(PowerState("power off")))
        self.assertEqual(13, len(Kind))

    def test_outcome_of_a_command_is_a_power_state(self) -> None:
        """The outcome of a reboot is on, and that of a soft power off is off."""
        expected = {
            PowerState.ON: PowerState.ON,
            PowerState.OFF: PowerState.OFF,
            PowerState.REBOOT: PowerState.ON,
            PowerState.SOFT_REBOOT: PowerState.ON,
            PowerState.SOFT_OFF: PowerState.OFF,
        }
        self.assertEqual(expected, {state: state.outcome for state in expected})


class TestKinds(TestCase):
    """The thirteen kinds, and the classes that have a member for each."""

    def test_driver_has_a_field_for_each_kind(self) -> None:
        """Driver has one field for each kind, in the order of Kind."""
        names = [field.name for field in dataclasses.fields(Driver)]
        self.assertEqual(["hardware_type", *(kind.value for kind in Kind)], names)

    def test_driver_protocol_and_hardware_type_have_a_member_for_each_kind(self) -> None:
        """The protocol of Task.driver and the hardware type name no other kinds than Kind."""
        for kind in Kind:
            self.assertIsInstance(getattr(DriverInterfaces, kind.value), property)
            self.assertIsInstance(HardwareType.supported(kind), tuple)


class TestVersions(TestCase):
    """Contract versions and hardware types."""

    def test_same_major_and_older_minor_version_is_compatible(self) -> None:
        """A plugin works with the contract version it declares and with later minor versions."""
        self.assertTrue(is_compatible((1, 2), (1, 2)))
        self.assertTrue(is_compatible((1, 2), (1, 3)))
        self.assertFalse(is_compatible((1, 3), (1, 2)))
        self.assertFalse(is_compatible((1, 0), (2, 0)))
        self.assertFalse(is_compatible((2, 0), (1, 9)))

    def test_hardware_type_lists_names_in_order_of_preference(self) -> None:
        """Kinds that the class does not list have the default names."""

        class Box(HardwareType):
            """A box.

            And more.
            """

            power = ("box", "ipmi")

        self.assertEqual(("box", "ipmi"), Box.supported("power"))
        self.assertEqual(("no-raid",), Box.supported(Kind.RAID))
        self.assertEqual("A box.", Box.describe())
        self.assertEqual(AcmePower, type(Subject({"power": AcmePower}, {}).power))
