"""A session with a real Ironic whose power and management are plugins of the contract, by the ``baremetal`` command."""

from __future__ import annotations

import json

from baremetal_fake import Power
from tests.plugins.ironic.served import BridgeTest


class SessionTest(BridgeTest):
    """Power, boot device, validation."""

    def drive(self, name: str) -> None:
        """Validate, power and boot device, as an operator does it."""
        validation = {row["Interface"]: row["Result"] for row in self.baremetal("node", "validate", name, "-f", "json")}
        self.assertEqual((True, True), (validation["power"], validation["management"]))
        self.power(name, "on", "power on")
        self.power(name, "off", "power off")
        supported = self.baremetal("node", "boot", "device", "show", "--supported", name, "-f", "json")
        self.assertIn("pxe", json.dumps(supported))
        self.baremetal("node", "boot", "device", "set", name, "pxe", "--persistent")
        found = self.baremetal("node", "boot", "device", "show", name, "-f", "json")
        self.assertEqual({"boot_device": "pxe", "persistent": True}, found)

    def test_fake_plugin_is_driven(self) -> None:
        """Its machines live in Ironic's process, and keep a state of their own."""
        self.create("contract-fake", "bridged-fake", fake_machine="m1")
        self.drive("bridged-fake")

    def test_redfish_plugin_is_driven(self) -> None:
        """Its machine, behind a BMC with TLS, does what Ironic is told."""
        self.create_redfish("bridged-redfish")
        self.drive("bridged-redfish")
        self.power("bridged-redfish", "on", "power on")
        self.assertIs(Power.ON, self.service.machine(0).power)
        self.power("bridged-redfish", "off", "power off")

    def test_what_is_wrong_is_said_at_once(self) -> None:
        """A node that lacks what the plugin needs is not valid, and the reason names the options."""
        self.create("contract-redfish", "bridged-wrong", redfish_auth_type="perhaps")
        rows = {row["Interface"]: row for row in self.baremetal("node", "validate", "bridged-wrong", "-f", "json")}
        self.assertIs(False, rows["power"]["Result"])
        for name in ("redfish_address", "redfish_auth_type"):
            self.assertIn(name, rows["power"]["Reason"])

    def test_device_that_is_not_supported_is_refused(self) -> None:
        """The client is told, and nothing is set."""
        self.create("contract-fake", "bridged-device", fake_machine="m2")
        self.assertIn("wanboot", self.baremetal("node", "boot", "device", "set", "bridged-device", "wanboot", code=1))

    def test_options_of_the_plugin_are_the_properties_of_the_driver(self) -> None:
        """An operator reads their meaning by the client."""
        found = self.baremetal("driver", "property", "list", "contract-redfish", "-f", "json")
        self.assertIn("redfish_address", json.dumps(found))
