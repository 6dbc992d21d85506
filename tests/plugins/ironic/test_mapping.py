"""The parts of the bridge that need no Ironic: the table of counterparts, and the check of plugin classes."""

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
    """Power interface that Ironic can run."""

    def get_power_state(self, task: Task) -> PowerState:
        return PowerState.OFF

    def set_power_state(self, task: Task, state: PowerState) -> None:
        """Do nothing."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of which only the first fits into ironic.conf."""

    seconds: float | None = 5.0
    addresses: tuple[str, ...] = ()


class BridgeTestCase(TestCase):
    """Test case with the modules of the bridge that import no Ironic."""

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(PythonPathEntry(str(ROOT / "plugins" / "ironic")))
        from baremetal_ironic_bridge import admission, mapping

        self.admission, self.mapping = admission, mapping

    def refused(self, bridged: Any, section: str | None = None) -> str:
        """Return the reasons why a class is not loaded."""
        return str(self.assertRaises(InvalidInput, self.admission.admit, bridged, section))


class MappingTest(BridgeTestCase):
    """The table of counterparts in Ironic."""

    def test_every_method_of_the_contract_has_an_entry(self) -> None:
        """Every method of the contract has a counterpart in Ironic, or a note that explains why it has none."""
        common = set(dir(Interface))
        for kind, contract in self.admission.CONTRACTS.items():
            classes = [contract, *CAPABILITIES.get(kind, ())]
            members = [item for cls in classes for item in vars(cls).items()]
            found = {name for name, value in members if not name.startswith("_") and callable(value)}
            declared = {"passthru", "driver_passthru"} if kind is Kind.VENDOR else set()
            self.assertEqual((found - common) | declared, set(self.mapping.PLACES[kind]), kind)
            for name, place in self.mapping.PLACES[kind].items():
                self.assertTrue(place.ironic or place.note, f"{kind}.{name}")

    def test_all_kinds_have_entries(self) -> None:
        """The table and the contract's classes cover all thirteen kinds."""
        self.assertEqual([set(Kind)] * 2, [set(self.mapping.PLACES), set(self.admission.CONTRACTS)])


class AdmissionTest(BridgeTestCase):
    """The check of plugin classes, which reports all reasons at once."""

    def test_suitable_class_is_admitted_by_kind(self) -> None:
        """Options are checked only if they are read from a section."""
        self.assertIs(Kind.POWER, self.admission.admit(Power))

        class WithOptions(Power):
            options_type = Options

        self.assertIs(Kind.POWER, self.admission.admit(WithOptions))
        self.assertIn("options_type/addresses: is of type", self.refused(WithOptions, "acme"))

    def test_other_classes_are_refused(self) -> None:
        """A class that is no interface, and a value that is no class, are refused."""
        for other in (object, 7, Interface):
            self.assertIn("is no interface of the contract", self.refused(other))

    def test_other_contract_version_is_refused(self) -> None:
        """The error contains both versions, and the methods that are not implemented."""

        class Later(PowerInterface):
            contract_version = (2, 0)

        self.assertIn("written for contract 2.0; this bridge has 1.", self.refused(Later))
        self.assertIn("does not implement get_power_state, set_power_state", self.refused(Later))

    def test_steps_that_ironic_cannot_run_are_refused(self) -> None:
        """A step with a reserved name, and a verify step with a required argument, are refused."""

        class Stepping(Power):
            @step(phase=Phase.CLEAN, name="hold")
            def rest(self, task: Task) -> None:
                """Do nothing."""

            @step(phase=Phase.VERIFY, priority=1, arguments={"depth": Argument("How deep.", required=True)})
            def look(self, task: Task, depth: int) -> None:
                """Do nothing."""

        self.assertIn("Stepping.rest: is a step named 'hold'", self.refused(Stepping))
        self.assertIn("Stepping.look: is a verify step with a required argument", self.refused(Stepping))

    def test_deploy_interface_without_steps_is_refused(self) -> None:
        """Ironic would fail every deployment without steps."""

        class Idle(DeployInterface):
            def tear_down(self, task: Task) -> None:
                """Do nothing."""

        self.assertIn("declares no step of phase deploy", self.refused(Idle))

    def test_vendor_interface_without_methods_is_admitted(self) -> None:
        """A vendor interface may have no methods."""

        class Quiet(VendorInterface):
            """Vendor interface without methods."""

        self.assertIs(Kind.VENDOR, self.admission.admit(Quiet))
