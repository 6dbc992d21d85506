"""What the bridge to Ironic does with each part of the contract, as far as no Ironic is needed to see it."""

from __future__ import annotations

import dataclasses
from typing import Any

from fixtures import PythonPathEntry
from testtools import TestCase

from baremetal_interfaces import (
    Argument,
    DeployInterface,
    Interface,
    InvalidInput,
    Kind,
    Phase,
    PowerInterface,
    PowerState,
    Task,
    VendorInterface,
    step,
)
from baremetal_interfaces.conformance.reads import CAPABILITIES
from tests.sources import ROOT


class Power(PowerInterface):
    """What works everywhere."""

    def get_power_state(self, task: Task) -> PowerState:
        return PowerState.OFF

    def set_power_state(self, task: Task, state: PowerState) -> None:
        """Nothing."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Of which ironic.conf can hold one."""

    seconds: float | None = 5.0
    addresses: tuple[str, ...] = ()


class BridgeTestCase(TestCase):
    """The bridge is installed where Ironic is; these modules of it need none."""

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(PythonPathEntry(str(ROOT / "plugins" / "ironic")))
        from baremetal_ironic_bridge import admission, mapping

        self.admission, self.mapping = admission, mapping

    def refused(self, bridged: Any, section: str | None = None) -> str:
        """Why it is not loaded."""
        return str(self.assertRaises(InvalidInput, self.admission.admit, bridged, section))


class MappingTest(BridgeTestCase):
    """The table that the documentation shows."""

    def test_every_method_of_the_contract_has_its_place(self) -> None:
        """What comes to the contract later is decided on: it has a place in Ironic, or the table says why not."""
        common = set(dir(Interface))
        for kind, contract in self.admission.CONTRACTS.items():
            classes = [contract, *CAPABILITIES.get(kind, ())]
            found = {name for one in classes for name, value in vars(one).items() if not name.startswith("_") and callable(value)}
            declared = {"passthru", "driver_passthru"} if kind is Kind.VENDOR else set()
            self.assertEqual((found - common) | declared, set(self.mapping.PLACES[kind]), kind)
            for name, place in self.mapping.PLACES[kind].items():
                self.assertTrue(place.ironic or place.note, f"{kind}.{name}")

    def test_all_kinds_are_known(self) -> None:
        """There are thirteen."""
        self.assertEqual([set(Kind)] * 2, [set(self.mapping.PLACES), set(self.admission.CONTRACTS)])


class AdmissionTest(BridgeTestCase):
    """What is refused when a plugin is loaded, with all of its reasons."""

    def test_what_fits_is_told_by_its_kind(self) -> None:
        """Its options may lie in a section, or keep their defaults."""
        self.assertIs(Kind.POWER, self.admission.admit(Power))

        class Optioned(Power):
            options_type = Options

        self.assertIs(Kind.POWER, self.admission.admit(Optioned))
        self.assertIn("options_type/addresses: is of type", self.refused(Optioned, "acme"))

    def test_what_is_no_interface_is_refused(self) -> None:
        """Whether it is a class or not."""
        for one in (object, 7, Interface):
            self.assertIn("is no interface of the contract", self.refused(one))

    def test_plugin_of_another_contract_is_refused(self) -> None:
        """The message has both versions; what is not implemented is named."""

        class Later(PowerInterface):
            contract_version = (2, 0)

        self.assertIn("written for contract 2.0; this bridge has 1.", self.refused(Later))
        self.assertIn("does not implement get_power_state, set_power_state", self.refused(Later))

    def test_steps_that_ironic_cannot_run_are_refused(self) -> None:
        """A name that Ironic keeps for itself, and an argument that nobody gives."""

        class Stepping(Power):
            @step(phase=Phase.CLEAN, name="hold")
            def rest(self, task: Task) -> None:
                """Rest."""

            @step(phase=Phase.VERIFY, priority=1, arguments={"depth": Argument("How deep.", required=True)})
            def look(self, task: Task, depth: int) -> None:
                """Look."""

        self.assertIn("Stepping.rest: is a step named 'hold'", self.refused(Stepping))
        self.assertIn("Stepping.look: is a verify step with a required argument", self.refused(Stepping))

    def test_deployment_without_steps_is_refused(self) -> None:
        """Ironic would fail each of them."""

        class Idle(DeployInterface):
            def tear_down(self, task: Task) -> None:
                """Nothing."""

        self.assertIn("declares no step of phase deploy", self.refused(Idle))

    def test_vendor_interface_needs_no_methods(self) -> None:
        """One that offers nothing is loaded."""

        class Quiet(VendorInterface):
            """Nothing."""

        self.assertIs(Kind.VENDOR, self.admission.admit(Quiet))
