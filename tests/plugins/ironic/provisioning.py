"""Nodes of bridged hardware types in all phases of Ironic's node life cycle."""

from __future__ import annotations

import json
from typing import Any

from baremetal_fake import Power
from tests.plugins.ironic.served import PASSWORD, BridgeTest

IMAGE = "http://192.0.2.7/live.iso"
BURN_IN = {"interface": "deploy", "step": "burnin", "args": {"seconds": 2.0}}


class FakeTest(BridgeTest):
    """The fake plugin's twelve kinds of interface."""

    def create_manageable(self, name: str) -> None:
        """Create a node and make it manageable."""
        self.create("contract-fake", name, fake_machine=name)
        self.bring(name, "manage", "manageable")

    def read_machine(self, name: str) -> Any:
        """Return the machine's state from the plugin's vendor method."""
        return self.api("GET", f"/v1/nodes/{name}/vendor_passthru/machine")

    def read_boot_device(self, name: str) -> Any:
        """Return the device of the machine's last boot."""
        return self.read_machine(name)["last_boot"]["device"]

    def read_settings(self, name: str) -> dict[str, str]:
        """Return the BIOS settings in Ironic's API."""
        return {setting["name"]: setting["value"] for setting in self.api("GET", f"/v1/nodes/{name}/bios")["bios"]}

    def test_node_is_deployed_rescued_and_torn_down(self) -> None:
        """The node reaches every state, and the machine boots its disk, the rescue ramdisk, and its disk again."""
        self.create_manageable("life")
        self.bring("life", "provide", "available")
        self.bring("life", "active", "active")
        self.assertEqual("disk", self.read_boot_device("life"))
        self.bring("life", "rescue", "rescue", rescue_password="s3same")
        self.assertEqual("pxe", self.read_boot_device("life"))
        self.bring("life", "unrescue", "active")
        self.assertEqual("disk", self.read_boot_device("life"))
        self.bring("life", "deleted", "available")
        self.assertEqual("power off", self.read_fields("life", "power_state"))

    def test_step_in_the_background_is_polled(self) -> None:
        """A step in cleaning or service waits without a worker, and the node continues once a poll reports its end."""
        self.create_manageable("slow")
        self.bring("slow", "clean", "clean wait", clean_steps=[BURN_IN])
        self.wait_for("slow", "provision_state", "manageable")
        self.bring("slow", "provide", "available")
        self.bring("slow", "active", "active")
        self.bring("slow", "service", "service wait", service_steps=[BURN_IN])
        self.wait_for("slow", "provision_state", "active")
        node = self.read_fields("slow", "last_error", "driver_internal_info")
        self.assertIsNone(node["last_error"])
        self.assertNotIn("contract_wait", node["driver_internal_info"])

    def test_wrong_step_argument_fails_the_cleaning(self) -> None:
        """``last_error`` names the wrong argument of a step."""
        self.create_manageable("wrong")
        self.bring("wrong", "clean", "clean failed", clean_steps=[{**BURN_IN, "args": {"seconds": -1}}])
        self.assertIn("seconds: -1 is not valid", self.read_fields("wrong", "last_error"))

    def test_inspection_is_stored(self) -> None:
        """Properties, ports and the inventory of an inspection are stored."""
        self.create_manageable("inspected")
        self.bring("inspected", "inspect", "manageable")
        self.assertEqual({"cpus", "memory_mb", "local_gb", "cpu_arch"}, set(self.read_fields("inspected", "properties")))
        ports = self.api("GET", "/v1/ports?node=inspected")["ports"]
        inventory = self.api("GET", "/v1/nodes/inspected/inventory")["inventory"]
        addresses = {interface["mac_address"] for interface in inventory["interfaces"]}
        self.assertEqual(addresses, {port["address"] for port in ports})

    def test_bios_settings_are_listed_and_changed(self) -> None:
        """Ironic lists the plugin's settings, and lists them again after a step that changes one."""
        self.create_manageable("settings")
        self.assertEqual("Enabled", self.read_settings("settings")["LogicalProc"])
        change = {"settings": [{"name": "LogicalProc", "value": "Disabled"}]}
        step = {"interface": "bios", "step": "apply_configuration", "args": change}
        self.clean("settings", step)
        self.assertEqual("Disabled", self.read_settings("settings")["LogicalProc"])

    def test_raid_is_created_and_listed(self) -> None:
        """An impossible target is refused by its fields; created disks appear in ``raid_config``."""
        self.create_manageable("disks")
        wrong = {"logical_disks": [{"size_gb": -1, "raid_level": "1"}]}
        self.assertIn("size_gb", self.baremetal("node", "set", "disks", "--target-raid-config", json.dumps(wrong), code=1))
        disk = {"size_gb": 10, "raid_level": "1", "is_root_volume": True}
        self.baremetal("node", "set", "disks", "--target-raid-config", json.dumps({"logical_disks": [disk]}))
        self.clean("disks", {"interface": "raid", "step": "create_configuration"})
        found = self.read_fields("disks", "raid_config", "properties")
        self.assertEqual([disk], found["raid_config"]["logical_disks"])
        self.assertEqual(10, found["properties"]["local_gb"])
        self.clean("disks", {"interface": "raid", "step": "delete_configuration"})
        self.assertEqual({}, self.read_fields("disks", "raid_config"))

    def test_firmware_is_listed_and_updated(self) -> None:
        """Ironic lists the new version after the step."""
        self.create_manageable("versions")
        update = {"component": "bios", "url": "http://192.0.2.1/bios-9.9.9.bin"}
        self.assertEqual("1.0.0", self.read_versions("versions")["bios"])
        self.clean("versions", {"interface": "firmware", "step": "update", "args": {"settings": [update]}})
        self.assertEqual("9.9.9", self.read_versions("versions")["bios"])

    def read_versions(self, name: str) -> dict[str, str]:
        """Return the firmware versions in Ironic's API."""
        components = self.api("GET", f"/v1/nodes/{name}/firmware")["firmware"]
        return {component["component"]: component["current_version"] for component in components}

    def clean(self, name: str, step: dict[str, Any]) -> None:
        """Run a single clean step to its end."""
        self.bring(name, "clean", "manageable", clean_steps=[step])

    def test_console_is_started_and_shown(self) -> None:
        """Ironic shows the URL of the plugin's console."""
        self.create_manageable("terminal")
        self.baremetal("node", "console", "enable", "terminal")
        self.wait_for("terminal", "console_enabled", True)
        self.assertIn("fake://terminal/console", self.baremetal("node", "console", "show", "terminal"))
        self.baremetal("node", "console", "disable", "terminal")
        self.wait_for("terminal", "console_enabled", False)

    def test_vendor_methods_are_listed_and_called(self) -> None:
        """Vendor methods of node and driver are listed and called; the error for a wrong argument names it."""
        self.create_manageable("methods")
        listed = self.baremetal("node", "passthru", "list", "methods", "-f", "json")
        self.assertEqual({"machine", "faults", "touch"}, {row["Name"] for row in listed})
        self.assertIn("lose", self.api("GET", "/v1/drivers/contract-fake/vendor_passthru/effects"))
        wrong = ("node", "passthru", "call", "--http-method", "PUT", "methods", "faults", "--arg", "faults=nonsense")
        self.assertIn("faults", self.baremetal(*wrong, code=1))

    def test_health_is_stored(self) -> None:
        """Ironic reads the health with the power state, and stores it."""
        self.create_manageable("healthy")
        self.wait_for("healthy", "health", "OK")


class RedfishTest(BridgeTest):
    """The redfish plugin's eight kinds of interface, at a BMC with TLS."""

    def test_node_boots_an_image_by_virtual_media(self) -> None:
        """Ironic's own ramdisk deployment boots through the plugin's boot interface, which ejects the image at the end."""
        self.create_redfish("media", deploy_interface="ramdisk", instance_info={"boot_iso": IMAGE})
        self.bring("media", "manage", "manageable")
        self.bring("media", "provide", "available")
        self.bring("media", "active", "active")
        machine = self.service.machine(0)
        self.assertIs(Power.ON, machine.power)
        booted = machine.last_boot
        self.assertEqual(("cdrom", IMAGE), (booted.device.value, booted.image) if booted else None)
        self.bring("media", "deleted", "available")
        self.assertIs(Power.OFF, machine.power)
        drives = self.api("GET", "/v1/nodes/media/vmedia")
        self.assertEqual([], [drive for drive in drives if drive["inserted"]])

    def test_settings_and_versions_of_a_bmc_are_read_and_changed(self) -> None:
        """Inspection, firmware and BIOS settings reach the BMC; a changed setting is polled in the background."""
        self.create_redfish("parts")
        self.bring("parts", "manage", "manageable")
        self.bring("parts", "inspect", "manageable")
        self.assertTrue(self.read_fields("parts", "properties")["memory_mb"])
        self.assertTrue(self.api("GET", "/v1/nodes/parts/firmware")["firmware"])
        change = {"settings": [{"name": "LogicalProc", "value": "Disabled"}]}
        step = {"interface": "bios", "step": "apply_configuration", "args": change}
        self.bring("parts", "clean", "clean wait", clean_steps=[step])
        self.wait_for("parts", "provision_state", "manageable")
        rows = self.baremetal("node", "bios", "setting", "list", "parts", "-f", "json")
        self.assertIn("Disabled", json.dumps([row for row in rows if "LogicalProc" in row.values()]))

    def test_vendor_methods_reach_the_bmc(self) -> None:
        """A vendor method of the redfish plugin, such as Metal3's subscriptions, reaches the BMC."""
        self.create_redfish("events")
        self.assertIn("Members", self.api("GET", "/v1/nodes/events/vendor_passthru/get_all_subscriptions"))

    def test_passwords_are_not_logged(self) -> None:
        """The log contains neither an accepted nor a refused password."""
        self.create_redfish("quiet")
        self.bring("quiet", "manage", "manageable")
        self.baremetal("node", "set", "quiet", "--driver-info", "redfish_password=Wr0ng-and-refused")
        self.baremetal("node", "boot", "device", "show", "quiet", code=1)
        log = (self.directory / "log").read_text()
        for secret in (PASSWORD, "Wr0ng-and-refused"):
            self.assertNotIn(secret, log)
