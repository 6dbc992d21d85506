"""Composing the driver of a node."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from testtools import ExpectedException, TestCase

from baremetal_interfaces import HardwareType, InvalidInput, Kind, PowerInterface, PowerState
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.drivers.catalog import DriverCatalog
from baremetal_sdk.drivers.loader import Plugins, discover
from baremetal_sdk.errors import ConfigurationError, DriverNotFound


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


class DriversCase(TestCase):
    def plugins(self) -> Plugins:
        found = discover()
        found.hardware_types["acme"] = Acme
        found.interfaces[Kind.POWER]["acme"] = AcmePower
        found.interfaces[Kind.POWER]["attached"] = AttachedPower
        return found

    def drivers(self, **config: Any) -> DriverCatalog:
        return DriverCatalog(self.plugins(), ConductorConfig(**config))


class TestOffers(DriversCase):
    def test_implementations_are_offered_best_first(self) -> None:
        """A hardware type offers what it lists and is installed, in its order, and then what attaches itself."""
        self.assertEqual(("acme", "attached"), self.drivers().list_interfaces("acme", Kind.POWER))

    def test_defaults_are_the_best_one_or_the_configured_one(self) -> None:
        """A configured default wins where it fits the hardware type."""
        self.assertEqual("ramdisk", self.drivers().default_interface("acme", Kind.DEPLOY))
        configured = self.drivers(default_interfaces={"deploy": "direct", "power": "fake"})
        self.assertEqual("direct", configured.default_interface("acme", Kind.DEPLOY))
        self.assertEqual("acme", configured.default_interface("acme", Kind.POWER))

    def test_only_what_is_enabled_is_offered(self) -> None:
        """An implementation that is installed and not enabled is not there."""
        drivers = self.drivers(enabled_interfaces={"power": ("attached", "fake")})
        self.assertEqual(("attached",), drivers.list_interfaces("acme", Kind.POWER))

    def test_a_hardware_type_without_an_implementation_is_told(self) -> None:
        """A hardware type of which a kind has nothing enabled is not offered, and the reason names the kind."""
        drivers = self.drivers(enabled_interfaces={"power": ("fake",)})
        self.assertNotIn("acme", drivers.list_hardware_types())
        [failure] = [one for one in drivers.failures if one.name == "acme"]
        self.assertIn("power (acme, not-installed)", failure.reason)

    def test_a_typing_error_in_the_configuration_is_named(self) -> None:
        """An enabled interface that is not installed stops the start, with what is."""
        with ExpectedException(ConfigurationError, r"\[DEFAULT\] enabled_power_interfaces: acne not installed; there are acme.*"):
            self.drivers(enabled_interfaces={"power": ("acne",)})

    def test_what_is_offered_can_be_described(self) -> None:
        """Other processes are told the default and the enabled names of each kind."""
        described = self.drivers().describe()["acme"]
        self.assertEqual({"default": "acme", "enabled": ["acme", "attached"]}, described["power"])
        self.assertEqual(13, len(described))


class TestComposition(DriversCase):
    def test_the_same_names_give_the_same_driver(self) -> None:
        """Interfaces are made once for a conductor."""
        drivers = self.drivers()
        first, second = drivers.compose("acme", {}), drivers.compose("acme", {"power": "acme"})
        self.assertIs(first, second)
        self.assertIsNot(first.power, self.drivers().compose("acme", {}).power)

    def test_everything_that_is_not_offered_is_named_at_once(self) -> None:
        """The error names each kind, what was wrong and what there is."""
        error = self.assertRaises(InvalidInput, self.drivers().resolve, "acme", {"power": "nope", "deploy": "fake"})
        self.assertEqual(["power_interface", "deploy_interface"], [problem.field for problem in error.problems])
        self.assertIn("there is acme, attached", str(error))

    def test_an_unknown_hardware_type_is_refused_with_a_suggestion(self) -> None:
        """The error names those there are, and the one that was meant."""
        with ExpectedException(DriverNotFound, ".*no hardware type 'fake-hardwear'; there are.*did you mean 'fake-hardware'.*"):
            self.drivers().compose("fake-hardwear", {})


class TestOptions(DriversCase):
    def test_a_plugins_options_come_from_its_section(self) -> None:
        """Text of the configuration is read as the types of the plugin's dataclass; the rest has its defaults."""
        drivers = self.drivers(plugins={"acme": {"retries": "5", "loud": "yes"}})
        self.assertEqual(AcmeOptions(retries=5, loud=True), drivers.compose("acme", {}).power.options)
        self.assertEqual(AcmeOptions(), self.drivers().compose("acme", {}).power.options)

    def test_a_wrong_option_of_a_plugin_is_named(self) -> None:
        """The error names section, option and type."""
        with ExpectedException(ConfigurationError, r"\[acme\] retries: 'many' is not a int"):
            self.drivers(plugins={"acme": {"retries": "many"}})

    def test_an_interface_that_cannot_be_made_is_reported(self) -> None:
        """An interface whose constructor fails is not offered; the others are."""
        plugins = self.plugins()
        plugins.interfaces[Kind.POWER]["acme"] = Unmakeable
        drivers = DriverCatalog(plugins, replace(ConductorConfig()))
        self.assertEqual(("attached",), drivers.list_interfaces("acme", Kind.POWER))
        self.assertIn("RuntimeError: no device", [one.reason for one in drivers.failures])


class Unmakeable(AcmePower):
    def __init__(self, options: Any = None) -> None:
        raise RuntimeError("no device")
