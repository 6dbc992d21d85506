"""Machines go through Ironic's life of a node by plugins of the contract: what each kind of interface does there."""

from __future__ import annotations

import json
from typing import Any

from baremetal_fake import Power
from tests.plugins.ironic.served import PASSWORD, BridgeTest

IMAGE = "http://192.0.2.7/live.iso"
BURN_IN = {"interface": "deploy", "step": "burnin", "args": {"seconds": 2.0}}


class FakeTest(BridgeTest):
    """The fake plugin offers twelve kinds."""

    def enrolled(self, name: str) -> None:
        """A node that is manageable."""
        self.create("contract-fake", name, fake_machine=name)
        self.bring(name, "manage", "manageable")

    def seen(self, name: str) -> Any:
        """What the plugin's vendor method tells of the machine itself."""
        return self.api("GET", f"/v1/nodes/{name}/vendor_passthru/machine")

    def booted(self, name: str) -> Any:
        """What the machine has booted last."""
        return self.seen(name)["last_boot"]["device"]

    def settings(self, name: str) -> dict[str, str]:
        """The BIOS settings as Ironic tells them."""
        return {one["name"]: one["value"] for one in self.api("GET", f"/v1/nodes/{name}/bios")["bios"]}

    def test_node_is_deployed_rescued_and_torn_down(self) -> None:
        """Every state is reached, and the machine boots what it is to boot: its disk, the ramdisk, its disk again."""
        self.enrolled("life")
        self.bring("life", "provide", "available")
        self.bring("life", "active", "active")
        self.assertEqual("disk", self.booted("life"))
        self.bring("life", "rescue", "rescue", rescue_password="s3same")
        self.assertEqual("pxe", self.booted("life"))
        self.bring("life", "unrescue", "active")
        self.assertEqual("disk", self.booted("life"))
        self.bring("life", "deleted", "available")
        self.assertEqual("power off", self.shown("life", "power_state"))

    def test_step_in_the_background_is_polled(self) -> None:
        """The node waits without a worker, and goes on when the plugin says that it is over: in cleaning and in service."""
        self.enrolled("slow")
        self.bring("slow", "clean", "clean wait", clean_steps=[BURN_IN])
        self.wait_for("slow", "provision_state", "manageable")
        self.bring("slow", "provide", "available")
        self.bring("slow", "active", "active")
        self.bring("slow", "service", "service wait", service_steps=[BURN_IN])
        self.wait_for("slow", "provision_state", "active")
        node = self.shown("slow", "last_error", "driver_internal_info")
        self.assertIsNone(node["last_error"])
        self.assertNotIn("contract_wait", node["driver_internal_info"])

    def test_wrong_argument_of_a_step_fails_the_cleaning_and_is_named(self) -> None:
        """An operator reads in ``last_error`` what was wrong."""
        self.enrolled("wrong")
        self.bring("wrong", "clean", "clean failed", clean_steps=[{**BURN_IN, "args": {"seconds": -1}}])
        self.assertIn("seconds: -1 is not valid", self.shown("wrong", "last_error"))

    def test_what_is_inspected_is_stored(self) -> None:
        """Properties, ports, and the inventory."""
        self.enrolled("inspected")
        self.bring("inspected", "inspect", "manageable")
        self.assertEqual({"cpus", "memory_mb", "local_gb", "cpu_arch"}, set(self.shown("inspected", "properties")))
        ports = self.api("GET", "/v1/ports?node=inspected")["ports"]
        inventory = self.api("GET", "/v1/nodes/inspected/inventory")["inventory"]
        self.assertEqual({one["mac_address"] for one in inventory["interfaces"]}, {one["address"] for one in ports})

    def test_bios_settings_are_told_and_changed(self) -> None:
        """The list is what the plugin says, also after a step that changed it."""
        self.enrolled("settings")
        self.assertEqual("Enabled", self.settings("settings")["LogicalProc"])
        change = {"settings": [{"name": "LogicalProc", "value": "Disabled"}]}
        step = {"interface": "bios", "step": "apply_configuration", "args": change}
        self.clean("settings", step)
        self.assertEqual("Disabled", self.settings("settings")["LogicalProc"])

    def test_raid_is_made_and_told(self) -> None:
        """A target that cannot be made is refused with its fields; what is made is in ``raid_config``."""
        self.enrolled("disks")
        wrong = {"logical_disks": [{"size_gb": -1, "raid_level": "1"}]}
        self.assertIn("size_gb", self.baremetal("node", "set", "disks", "--target-raid-config", json.dumps(wrong), code=1))
        disk = {"size_gb": 10, "raid_level": "1", "is_root_volume": True}
        self.baremetal("node", "set", "disks", "--target-raid-config", json.dumps({"logical_disks": [disk]}))
        self.clean("disks", {"interface": "raid", "step": "create_configuration"})
        found = self.shown("disks", "raid_config", "properties")
        self.assertEqual(([disk], 10), (found["raid_config"]["logical_disks"], found["properties"]["local_gb"]))
        self.clean("disks", {"interface": "raid", "step": "delete_configuration"})
        self.assertEqual({}, self.shown("disks", "raid_config"))

    def test_firmware_is_told_and_updated(self) -> None:
        """Ironic's list has the new version after the step."""
        self.enrolled("versions")
        update = {"component": "bios", "url": "http://192.0.2.1/bios-9.9.9.bin"}
        self.assertEqual("1.0.0", self.versions("versions")["bios"])
        self.clean("versions", {"interface": "firmware", "step": "update", "args": {"settings": [update]}})
        self.assertEqual("9.9.9", self.versions("versions")["bios"])

    def versions(self, name: str) -> dict[str, str]:
        """The firmware as Ironic tells it."""
        return {one["component"]: one["current_version"] for one in self.api("GET", f"/v1/nodes/{name}/firmware")["firmware"]}

    def clean(self, name: str, step: dict[str, Any]) -> None:
        """Run one step of cleaning to its end."""
        self.bring(name, "clean", "manageable", clean_steps=[step])

    def test_console_is_started_and_told(self) -> None:
        """Its address is the plugin's."""
        self.enrolled("terminal")
        self.baremetal("node", "console", "enable", "terminal")
        self.wait_for("terminal", "console_enabled", True)
        self.assertIn("fake://terminal/console", self.baremetal("node", "console", "show", "terminal"))
        self.baremetal("node", "console", "disable", "terminal")
        self.wait_for("terminal", "console_enabled", False)

    def test_vendor_methods_are_listed_and_called(self) -> None:
        """Of the node and of the driver; a wrong argument is an error that names it."""
        self.enrolled("methods")
        listed = self.baremetal("node", "passthru", "list", "methods", "-f", "json")
        self.assertEqual({"machine", "faults", "touch"}, {row["Name"] for row in listed})
        self.assertIn("lose", self.api("GET", "/v1/drivers/contract-fake/vendor_passthru/effects"))
        wrong = ("node", "passthru", "call", "--http-method", "PUT", "methods", "faults", "--arg", "faults=nonsense")
        self.assertIn("faults", self.baremetal(*wrong, code=1))

    def test_health_is_told(self) -> None:
        """Ironic asks for it with the power, and keeps it."""
        self.enrolled("healthy")
        self.wait_for("healthy", "health", "OK")


class RedfishTest(BridgeTest):
    """The redfish plugin offers eight kinds, at a BMC with TLS."""

    def test_node_boots_an_image_by_virtual_media(self) -> None:
        """Ironic's own ramdisk deployment drives the plugin's boot interface, and takes the image out again."""
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
        self.assertEqual([], [one for one in self.api("GET", "/v1/nodes/media/vmedia") if one["inserted"]])

    def test_settings_and_versions_of_a_bmc_are_read_and_changed(self) -> None:
        """Inspection, firmware and BIOS; the change of a setting goes on in the background and is polled."""
        self.create_redfish("parts")
        self.bring("parts", "manage", "manageable")
        self.bring("parts", "inspect", "manageable")
        self.assertTrue(self.shown("parts", "properties")["memory_mb"])
        self.assertTrue(self.api("GET", "/v1/nodes/parts/firmware")["firmware"])
        change = {"settings": [{"name": "LogicalProc", "value": "Disabled"}]}
        step = {"interface": "bios", "step": "apply_configuration", "args": change}
        self.bring("parts", "clean", "clean wait", clean_steps=[step])
        self.wait_for("parts", "provision_state", "manageable")
        rows = self.baremetal("node", "bios", "setting", "list", "parts", "-f", "json")
        self.assertIn("Disabled", json.dumps([row for row in rows if "LogicalProc" in row.values()]))

    def test_vendor_methods_reach_the_bmc(self) -> None:
        """Metal3's subscriptions, for one."""
        self.create_redfish("events")
        self.assertIn("Members", self.api("GET", "/v1/nodes/events/vendor_passthru/get_all_subscriptions"))

    def test_password_is_nowhere_in_the_log(self) -> None:
        """Neither of a login that works nor of one that does not."""
        self.create_redfish("quiet")
        self.bring("quiet", "manage", "manageable")
        self.baremetal("node", "set", "quiet", "--driver-info", "redfish_password=Wr0ng-and-refused")
        self.baremetal("node", "boot", "device", "show", "quiet", code=1)
        log = (self.directory / "log").read_text()
        for secret in (PASSWORD, "Wr0ng-and-refused"):
            self.assertNotIn(secret, log)
