"""What plugins declare by decorators and values: steps, passthru methods, states, versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from testtools import TestCase

from baremetal_interfaces import (
    Argument,
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
from tests.contract.acme import AcmePower


class Base(PowerInterface):
    """Two steps, one of them in two phases."""

    def get_power_state(self, task: Task) -> PowerState:
        return PowerState.ON

    def set_power_state(self, task: Task, state: PowerState) -> None:
        """Nothing."""

    @step(phase=Phase.CLEAN, priority=10, abortable=True, arguments={"depth": Argument("How deep.", required=True)})
    @step(phase="service")
    def scrub(self, task: Task, depth: int) -> None:
        """Scrub."""

    @step(phase="deploy", name="check", priority=5)
    def look(self, task: Task) -> None:
        """Look."""


class Derived(Base):
    """Overrides one with a declaration and one without."""

    def scrub(self, task: Task, depth: int) -> None:
        """Scrub better."""

    @step(phase="deploy", name="check", priority=50)
    def look(self, task: Task) -> None:
        """Look harder."""


class TestSteps(TestCase):
    """Steps are declared on methods."""

    def test_one_method_serves_several_phases(self) -> None:
        """Repeating the decorator declares a step for each phase."""
        self.assertEqual({Phase.CLEAN, Phase.SERVICE}, {one.phase for one in Base.steps if one.name == "scrub"})
        (clean,) = Base().steps_of(Phase.CLEAN)
        self.assertEqual(Step(Phase.CLEAN, "scrub", "scrub", 10, True, {"depth": Argument("How deep.", True)}), clean)

    def test_name_may_differ_from_the_method(self) -> None:
        """Clients see the name; the runtime calls the method."""
        (deploy,) = Base().steps_of(Phase.DEPLOY)
        self.assertEqual(("check", "look"), (deploy.name, deploy.method))

    def test_override_keeps_the_declaration_unless_it_makes_its_own(self) -> None:
        """A subclass that only changes the code is still a step; one that declares anew replaces the old one."""
        self.assertEqual(1, len(Derived().steps_of(Phase.CLEAN)))
        (deploy,) = Derived().steps_of(Phase.DEPLOY)
        self.assertEqual(50, deploy.priority)

    def test_polling_is_refused_where_no_step_waits(self) -> None:
        """The default poll() says that there is nothing to be polled."""
        task = Subject({"power": Base}, {}).task()
        self.assertRaises(NotSupported, Base().poll, task, Base.steps[0], {})


class TestPassthru(TestCase):
    """Methods of a vendor."""

    def test_declared_methods_are_offered_by_name(self) -> None:
        """The class lists them with their HTTP methods; an inherited one stays offered."""

        class Vendor(VendorInterface):
            @passthru(["post"], name="send-raw", description="Send bytes.", background=False)
            def send_raw(self, task: Task, **arguments: Any) -> None:
                """Send."""

        class Child(Vendor):
            """Adds nothing."""

        self.assertEqual(["send-raw"], list(Child.passthrus))
        offered = Child.passthrus["send-raw"]
        self.assertEqual(("send_raw", frozenset({"POST"}), False), (offered.method, offered.http_methods, offered.background))

    def test_vendor_without_methods_is_allowed(self) -> None:
        """An interface that offers nothing has an empty list."""

        class Silent(VendorInterface):
            """Says nothing."""

        self.assertEqual({}, Silent.passthrus)


@dataclass
class Kept(DriverState):
    """Today's fields."""

    version = 2
    jobs: int = 0

    @classmethod
    def upgrade(cls, version: int, stored: Any) -> Any:
        return {"jobs": stored["tasks"]} if version == 1 else stored


class TestState(TestCase):
    """What a plugin keeps about a node."""

    def test_state_comes_back_as_it_was_stored(self) -> None:
        """dump() and load() are inverse, and nothing stored means the defaults."""
        self.assertEqual(Kept(3), Kept.load(Kept(3).dump()))
        self.assertEqual(Kept(0), Kept.load(None))

    def test_older_version_is_upgraded_and_unknown_fields_are_dropped(self) -> None:
        """A plugin reads what its older self, or a newer one, has stored."""
        self.assertEqual(Kept(4), Kept.load({"version": 1, "fields": {"tasks": 4}}))
        self.assertEqual(Kept(5), Kept.load({"version": 2, "fields": {"jobs": 5, "later": 1}}))


class TestValues(TestCase):
    """The values that drivers, runtime and clients share."""

    def test_text_of_a_value_is_what_clients_send(self) -> None:
        """In f-strings and by str() a value is its text on the wire."""
        self.assertEqual("power on", f"{PowerState.ON}")
        self.assertEqual("power off", str(PowerState("power off")))
        self.assertEqual(13, len(Kind))

    def test_outcome_of_a_command_is_what_can_be_observed(self) -> None:
        """After a reboot a machine is on; after a soft power off it is off."""
        expected = {
            PowerState.ON: PowerState.ON,
            PowerState.OFF: PowerState.OFF,
            PowerState.REBOOT: PowerState.ON,
            PowerState.SOFT_REBOOT: PowerState.ON,
            PowerState.SOFT_OFF: PowerState.OFF,
        }
        self.assertEqual(expected, {state: state.outcome for state in expected})


class TestVersions(TestCase):
    """Which plugins fit which contract."""

    def test_same_major_and_not_newer_minor_fits(self) -> None:
        """A plugin works with its own contract and later minor ones."""
        self.assertTrue(is_compatible((1, 2), (1, 2)))
        self.assertTrue(is_compatible((1, 2), (1, 3)))
        self.assertFalse(is_compatible((1, 3), (1, 2)))
        self.assertFalse(is_compatible((1, 0), (2, 0)))
        self.assertFalse(is_compatible((2, 0), (1, 9)))

    def test_hardware_type_lists_names_best_first(self) -> None:
        """What it says nothing about falls back to what refuses or does nothing."""

        class Box(HardwareType):
            """A box.

            And more.
            """

            power = ("box", "ipmi")

        self.assertEqual(("box", "ipmi"), Box.supported("power"))
        self.assertEqual(("no-raid",), Box.supported(Kind.RAID))
        self.assertEqual("A box.", Box.describe())
        self.assertEqual(AcmePower, type(Subject({"power": AcmePower}, {}).power))
