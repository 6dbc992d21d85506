"""BIOS settings, firmware, inventory, health and logical disks: read from the machine, stored and shown."""

from __future__ import annotations

from typing import Any

from baremetal_sdk.testing import settle
from tests.api.machines import N1, MachineAPITestCase


class FindingsTestCase(MachineAPITestCase):
    def run_clean_steps(self, *steps: dict[str, Any]) -> None:
        """Run these steps by manual cleaning."""
        self.call_node("PUT", "states/provision", {"target": "clean", "clean_steps": list(steps)}, status=202)
        settle(self.runtime)
        self.assertEqual("manageable", self.record().provision_state)
        self.assertIsNone(self.record().last_error)

    def read_bios(self, path: str = "bios", version: str = "1.115") -> dict[str, Any]:
        """Return the BIOS settings by name."""
        return {entry["name"]: entry for entry in self.call_node("GET", path, version=version)["bios"]}


class TestBIOS(FindingsTestCase):
    def test_settings_are_read_when_a_node_is_managed(self) -> None:
        """The list is empty before the verb manage; afterwards each setting is listed and can be shown by name."""
        self.assertEqual({"bios": []}, self.call_node("GET", "bios", version="1.40"))
        self.run_verbs("manage")
        settings = self.read_bios(version="1.40")
        name = next(iter(settings))
        self.assertEqual({"name", "value", "created_at", "updated_at", "links"}, set(settings[name]))
        shown = self.call_node("GET", f"bios/{name}", version="1.73")[name]
        self.assertEqual(settings[name], shown)
        self.assertTrue(shown["links"][0]["href"].endswith(f"/v1/nodes/{self.uuid}/bios/{name}"))

    def test_details_and_fields_need_1_74(self) -> None:
        """Details contain the allowed values, and fields can be selected."""
        self.run_verbs("manage")
        whole = self.read_bios("bios?detail=True", version="1.74")
        self.assertTrue(any(entry["allowable_values"] for entry in whole.values()))
        self.assertEqual(whole, {entry["name"]: entry for entry in self.call_node("GET", "bios?detail=True")["bios"]})
        name = next(iter(whole))
        self.assertIn("attribute_type", self.call_node("GET", f"bios/{name}", version="1.74")[name])
        some = self.call_node("GET", "bios?fields=name,read_only")["bios"][0]
        self.assertEqual({"name", "read_only", "created_at", "updated_at", "links"}, set(some))
        for query in ("detail=True", "fields=name"):
            self.assert_refused(self.request_node("GET", f"bios?{query}", version="1.73"), 400, "1.74")
        self.assert_refused(self.request_node("GET", "bios?fields=bogus"), 400, "bogus", "allowable_values")
        self.assert_refused(self.request_node("GET", "bios?fields=name&detail=True"), 400, "exclude each other")

    def test_list_shows_the_result_of_bios_steps(self) -> None:
        """The service reads the settings again after apply_configuration and factory_reset."""
        self.run_verbs("manage")
        name, before = next(
            (name, entry) for name, entry in self.read_bios("bios?detail=True").items() if len(entry["allowable_values"]) > 1
        )
        value = next(value for value in before["allowable_values"] if value != before["value"])
        apply = {"interface": "bios", "step": "apply_configuration", "args": {"settings": [{"name": name, "value": value}]}}
        self.run_clean_steps(apply)
        self.assertEqual(value, self.read_bios()[name]["value"])
        self.run_clean_steps({"interface": "bios", "step": "factory_reset"})
        self.assertEqual(before["value"], self.read_bios()[name]["value"])

    def test_settings_need_1_40(self) -> None:
        """Earlier versions and unknown settings get 404."""
        self.assert_refused(self.request_node("GET", "bios", version="1.39"), 404, "1.40")
        self.assert_refused(self.request_node("GET", "bios/Bogus"), 404, "Bogus")

    def test_a_node_without_a_bios_interface_has_no_settings(self) -> None:
        """The verb manage works, and the list stays empty."""
        self.change(bios_interface="no-bios")
        self.assertEqual("manageable", self.run_verbs("manage").provision_state)
        self.assertEqual({"bios": []}, self.call_node("GET", "bios"))


class TestFirmware(FindingsTestCase):
    def test_firmware_update_is_shown(self) -> None:
        """The list shows the initial, the current and the last flashed version."""
        self.assertEqual({"firmware": []}, self.call_node("GET", "firmware", version="1.86"))
        self.run_verbs("manage")
        before = {entry["component"]: entry for entry in self.call_node("GET", "firmware")["firmware"]}
        settings = [{"component": "bios", "url": "http://images.example/bios-9.9.9.bin"}]
        self.run_clean_steps({"interface": "firmware", "step": "update", "args": {"settings": settings}})
        after = {entry["component"]: entry for entry in self.call_node("GET", "firmware")["firmware"]}["bios"]
        self.assertEqual(before["bios"]["initial_version"], after["initial_version"])
        self.assertEqual("9.9.9", after["current_version"])
        self.assertEqual("9.9.9", after["last_version_flashed"])

    def test_first_versions_of_firmware_fields(self) -> None:
        """The list needs 1.86, and the vendor of a component needs 1.114."""
        self.run_verbs("manage")
        self.assert_refused(self.request_node("GET", "firmware", version="1.85"), 404, "1.86")
        self.assertNotIn("vendor", self.call_node("GET", "firmware", version="1.113")["firmware"][0])
        self.assertIn("vendor", self.call_node("GET", "firmware", version="1.114")["firmware"][0])
        some = self.call_node("GET", "firmware?fields=component")["firmware"][0]
        self.assertEqual({"component", "created_at", "updated_at"}, set(some))
        self.assert_refused(self.request_node("GET", "firmware?fields=vendor", version="1.113"), 400, "vendor")


class TestInventory(FindingsTestCase):
    def test_inspection_stores_the_inventory(self) -> None:
        """Without an inspection the inventory is 404; the second inspection replaces it; the node does not contain it."""
        self.assert_refused(self.request_node("GET", "inventory"), 404, "inspect it first")
        self.run_verbs("manage", "inspect", "inspect")
        shown = self.call_node("GET", "inventory", version="1.81")
        self.assertEqual(self.machine().inventory.cpus, shown["inventory"]["cpu"]["count"])
        self.assertEqual({}, shown["plugin_data"])
        self.assertNotIn("inventory", self.get(N1)["driver_internal_info"])
        self.assert_refused(self.request_node("GET", "inventory", version="1.80"), 404, "1.81")


class TestHealth(FindingsTestCase):
    def test_health_is_read_when_a_node_is_managed(self) -> None:
        """The field needs 1.109."""
        self.assertIsNone(self.get(N1)["health"])
        self.run_verbs("manage")
        self.assertEqual("OK", self.get(N1)["health"])
        self.assertNotIn("health", self.get(N1, version="1.108"))

    def test_power_sync_reads_the_health_at_times(self) -> None:
        """It reads the health after 10 to 20 observations of the power state and writes a changed value."""
        self.run_verbs("manage")
        record = self.record()
        self.runtime.store.update_node(record.uuid, {"health": "WARNING"}, fence=None)
        for _ in range(9):
            self.runtime.components.power_sync.observe(self.uuid)
        self.assertEqual("WARNING", self.record().health)
        for _ in range(10):
            self.runtime.components.power_sync.observe(self.uuid)
        self.assertEqual("OK", self.record().health)


class TestRAIDSteps(FindingsTestCase):
    def test_raid_config_shows_the_created_disks(self) -> None:
        """raid_config contains the result of successful RAID steps only."""
        disk = {"size_gb": 100, "raid_level": "1", "is_root_volume": True}
        self.call_node("PUT", "states/raid", {"logical_disks": [disk, {"size_gb": "MAX", "raid_level": "5"}]}, status=204)
        self.assertEqual({}, self.record().raid_config)
        self.run_verbs("manage")
        only_root = {"create_nonroot_volumes": False, "delete_existing": True}
        self.run_clean_steps({"interface": "raid", "step": "create_configuration", "args": only_root})
        self.assertEqual([disk], self.get(f"{N1}/states")["raid_config"]["logical_disks"])
        self.run_clean_steps({"interface": "raid", "step": "delete_configuration"})
        self.assertEqual({}, self.record().raid_config)
