"""A real Ironic with bridged power and management interfaces, driven by the ``baremetal`` command."""

from __future__ import annotations

import json

from baremetal_fake import Power
from tests.plugins.ironic.served import BridgeTest


class SessionTest(BridgeTest):
    """Power, boot device and validation."""

    def drive(self, name: str) -> None:
        """Validate the node, change its power state and set its boot device."""
        validation = {row["Interface"]: row["Result"] for row in self.baremetal("node", "validate", name, "-f", "json")}
        self.assertEqual(True, validation["power"])
        self.assertEqual(True, validation["management"])
        self.power(name, "on", "power on")
        self.power(name, "off", "power off")
        supported = self.baremetal("node", "boot", "device", "show", "--supported", name, "-f", "json")
        self.assertIn("pxe", json.dumps(supported))
        self.baremetal("node", "boot", "device", "set", name, "pxe", "--persistent")
        found = self.baremetal("node", "boot", "device", "show", name, "-f", "json")
        self.assertEqual({"boot_device": "pxe", "persistent": True}, found)

    def test_fake_plugin(self) -> None:
        """Machines of the fake plugin live in Ironic's process and keep a state of their own."""
        self.create("contract-fake", "bridged-fake", fake_machine="m1")
        self.drive("bridged-fake")

    def test_redfish_plugin(self) -> None:
        """The machine behind a BMC with TLS follows Ironic's commands."""
        self.create_redfish("bridged-redfish")
        self.drive("bridged-redfish")
        self.power("bridged-redfish", "on", "power on")
        self.assertIs(Power.ON, self.service.machine(0).power)
        self.power("bridged-redfish", "off", "power off")

    def test_all_problems_are_reported(self) -> None:
        """The validation of a node with wrong options names all of them."""
        self.create("contract-redfish", "bridged-wrong", redfish_auth_type="perhaps")
        rows = {row["Interface"]: row for row in self.baremetal("node", "validate", "bridged-wrong", "-f", "json")}
        self.assertIs(False, rows["power"]["Result"])
        for name in ("redfish_address", "redfish_auth_type"):
            self.assertIn(name, rows["power"]["Reason"])

    def test_unsupported_device_is_refused(self) -> None:
        """The error names the unsupported device."""
        self.create("contract-fake", "bridged-device", fake_machine="m2")
        self.assertIn("wanboot", self.baremetal("node", "boot", "device", "set", "bridged-device", "wanboot", code=1))

    def test_driver_properties_are_the_plugin_options(self) -> None:
        """Ironic lists the plugin's options as properties of the driver."""
        found = self.baremetal("driver", "property", "list", "contract-redfish", "-f", "json")
        self.assertIn("redfish_address", json.dumps(found))
