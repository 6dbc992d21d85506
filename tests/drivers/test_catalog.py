"""Composing the driver of a node."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from testtools import ExpectedException, TestCase

from baremetal_interfaces import HardwareType, InvalidInput, Kind, PowerInterface, PowerState
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.drivers.catalog import DriverCatalog
from baremetal_sdk.drivers.loader import LoadFailure, Plugins, discover
from baremetal_sdk.errors import ConfigurationError, DriverNotFound

IDRAC_KINDS = (Kind.POWER, Kind.MANAGEMENT, Kind.BOOT, Kind.INSPECT, Kind.BIOS, Kind.RAID, Kind.VENDOR)
"""The kinds for which Ironic's hardware type idrac has interfaces of its own."""


@dataclass(frozen=True)
class AcmeOptions:
    section: ClassVar[str] = "acme"
    retries: int = 3
    loud: bool = False


class AcmePower(PowerInterface):
    options_type = AcmeOptions

    def get_power_state(self, task: Any) -> PowerState:
        return PowerState.ON

    def set_power_state(self, task: Any, state: PowerState) -> None: ...


class AttachedPower(AcmePower):
    attaches_to = ("acme",)


class Acme(HardwareType):
    """Acme machines."""

    power = ("acme", "not-installed")
    deploy = ("ramdisk", "direct")


class CatalogCase(TestCase):
    def plugins(self) -> Plugins:
        """Return the installed plugins and those of this test."""
        found = discover()
        found.hardware_types["acme"] = Acme
        found.interfaces[Kind.POWER]["acme"] = AcmePower
        found.interfaces[Kind.POWER]["attached"] = AttachedPower
        return found

    def drivers(self, **config: Any) -> DriverCatalog:
        """Return a catalog with this configuration."""
        return DriverCatalog(self.plugins(), ConductorConfig(**config))


class TestInstalledTypes(TestCase):
    """The hardware types of this repository."""

    def test_each_listed_interface_has_an_entry_point(self) -> None:
        """A client can select every interface that a hardware type lists."""
        installed = importlib.metadata.entry_points()
        plugins = discover()
        self.assertLess({"fake-hardware", "idrac", "ipmi", "redfish"}, {*plugins.hardware_types, "other"})
        for name, hardware_type in plugins.hardware_types.items():
            for kind in Kind:
                offered = installed.select(group=f"baremetal.interfaces.{kind}").names
                self.assertEqual(set(), {*hardware_type.supported(kind)} - offered, f"{kind} interfaces of {name}")
        self.assertEqual((), DriverCatalog(plugins, ConductorConfig()).list_unanswered())

    def test_idrac_lists_the_names_of_ironic(self) -> None:
        """Each ``idrac-`` interface is the one of Redfish, and it is the default of its kind."""
        plugins = discover()
        drivers = DriverCatalog(plugins, ConductorConfig())
        names = {kind: f"idrac-redfish{'-virtual-media' if kind is Kind.BOOT else ''}" for kind in IDRAC_KINDS}
        for kind, name in names.items():
            self.assertEqual(name, drivers.default_interface("idrac", kind))
            self.assertIs(plugins.interfaces[kind][name], plugins.interfaces[kind][name.removeprefix("idrac-")])
        self.assertEqual("redfish", drivers.default_interface("idrac", Kind.FIRMWARE))


class TestOffers(CatalogCase):
    def test_listed_interface_without_a_plugin_is_reported(self) -> None:
        """An interface that is installed and not enabled, or that failed to load, has other reports."""
        self.assertEqual((("acme", Kind.POWER, "not-installed"),), self.drivers().list_unanswered())
        narrow = self.drivers(enabled_interfaces={"raid": ("no-raid",)})
        self.assertEqual((("acme", Kind.POWER, "not-installed"),), narrow.list_unanswered())
        broken = self.plugins()
        broken.failures.append(LoadFailure("baremetal.interfaces.power", "not-installed", "ImportError: acmelib"))
        self.assertEqual((), DriverCatalog(broken, ConductorConfig()).list_unanswered())

    def test_implementations_are_offered_in_order_of_preference(self) -> None:
        """A hardware type offers its installed implementations in its order, and then those that attach themselves."""
        self.assertEqual(("acme", "attached"), self.drivers().list_interfaces("acme", Kind.POWER))

    def test_the_default_is_the_configured_or_the_first_implementation(self) -> None:
        """A configured default applies to hardware types that offer it. Others use their first implementation."""
        self.assertEqual("ramdisk", self.drivers().default_interface("acme", Kind.DEPLOY))
        configured = self.drivers(default_interfaces={"deploy": "direct", "power": "fake"})
        self.assertEqual("direct", configured.default_interface("acme", Kind.DEPLOY))
        self.assertEqual("acme", configured.default_interface("acme", Kind.POWER))

    def test_only_enabled_implementations_are_offered(self) -> None:
        """An installed implementation that is not enabled is not offered."""
        drivers = self.drivers(enabled_interfaces={"power": ("attached", "fake")})
        self.assertEqual(("attached",), drivers.list_interfaces("acme", Kind.POWER))

    def test_an_incomplete_hardware_type_is_reported(self) -> None:
        """A hardware type without an enabled implementation of a kind is not offered, and the reason names the kind."""
        drivers = self.drivers(enabled_interfaces={"power": ("fake",)})
        self.assertNotIn("acme", drivers.list_hardware_types())
        [failure] = [failure for failure in drivers.failures if failure.name == "acme"]
        self.assertIn("power (acme, not-installed)", failure.reason)

    def test_an_enabled_interface_that_is_not_installed_is_rejected(self) -> None:
        """The error names the option, the missing interface, and the installed ones."""
        with ExpectedException(
            ConfigurationError, r"\[DEFAULT\] enabled_power_interfaces: acne not installed; installed: acme.*"
        ):
            self.drivers(enabled_interfaces={"power": ("acne",)})

    def test_the_offer_can_be_described(self) -> None:
        """The description has the default and the enabled implementations of each kind."""
        described = self.drivers().describe()["acme"]
        self.assertEqual({"default": "acme", "enabled": ["acme", "attached"]}, described["power"])
        self.assertEqual(13, len(described))


class TestComposition(CatalogCase):
    def test_the_same_names_give_the_same_driver(self) -> None:
        """Equal names share a driver within a catalog. Each catalog has its own interfaces."""
        drivers = self.drivers()
        first, second = drivers.compose("acme", {}), drivers.compose("acme", {"power": "acme"})
        self.assertIs(first, second)
        self.assertIsNot(first.power, self.drivers().compose("acme", {}).power)

    def test_all_wrong_interfaces_are_reported_together(self) -> None:
        """The error names each wrong interface and the offered ones."""
        error = self.assertRaises(InvalidInput, self.drivers().resolve, "acme", {"power": "nope", "deploy": "fake"})
        self.assertEqual(["power_interface", "deploy_interface"], [problem.field for problem in error.problems])
        self.assertIn("offered: acme, attached", str(error))

    def test_an_unknown_hardware_type_is_rejected_with_a_suggestion(self) -> None:
        """The error names the available hardware types and the most similar one."""
        with ExpectedException(
            DriverNotFound, ".*unknown hardware type 'fake-hardwear'; available.*did you mean 'fake-hardware'.*"
        ):
            self.drivers().compose("fake-hardwear", {})


class TestOptions(CatalogCase):
    def test_the_options_of_a_plugin_come_from_its_section(self) -> None:
        """Values are converted to the types of the plugin's dataclass. Missing options have their defaults."""
        drivers = self.drivers(plugins={"acme": {"retries": "5", "loud": "yes"}})
        self.assertEqual(AcmeOptions(retries=5, loud=True), drivers.compose("acme", {}).power.options)
        self.assertEqual(AcmeOptions(), self.drivers().compose("acme", {}).power.options)

    def test_a_wrong_option_of_a_plugin_is_rejected(self) -> None:
        """The error names section, option and type."""
        with ExpectedException(ConfigurationError, r"\[acme\] retries: 'many' is not a valid int"):
            self.drivers(plugins={"acme": {"retries": "many"}})

    def test_an_interface_with_a_failing_constructor_is_reported(self) -> None:
        """An interface whose constructor fails is not offered. The others are."""
        plugins = self.plugins()
        plugins.interfaces[Kind.POWER]["acme"] = FailingPower
        drivers = DriverCatalog(plugins, replace(ConductorConfig()))
        self.assertEqual(("attached",), drivers.list_interfaces("acme", Kind.POWER))
        self.assertIn("RuntimeError: no device", [failure.reason for failure in drivers.failures])


class FailingPower(AcmePower):
    def __init__(self, options: Any = None) -> None:
        raise RuntimeError("no device")
