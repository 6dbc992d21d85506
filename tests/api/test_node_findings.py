"""BIOS settings, firmware, inventory, health and logical disks: read from the machine, kept, and shown."""

from __future__ import annotations

from typing import Any

from baremetal_sdk.testing import settle
from tests.api.machines import N1, MachineAPITestCase


class FindingsTestCase(MachineAPITestCase):
    def clean(self, *steps: dict[str, Any]) -> None:
        """Clean by hand with these steps."""
        self.ask("PUT", "states/provision", {"target": "clean", "clean_steps": list(steps)}, status=202)
        settle(self.runtime)
        self.assertEqual(("manageable", None), (self.record().provision_state, self.record().last_error))

    def bios(self, path: str = "bios", version: str = "1.115") -> dict[str, Any]:
        """The settings by name."""
        return {one["name"]: one for one in self.ask("GET", path, version=version)["bios"]}


class TestBIOS(FindingsTestCase):
    def test_settings_are_read_when_a_node_is_managed(self) -> None:
        """Before that there are none; afterwards each is listed with its value, and shown by its name."""
        self.assertEqual({"bios": []}, self.ask("GET", "bios", version="1.40"))
        self.bring("manage")
        settings = self.bios(version="1.40")
        name = next(iter(settings))
        self.assertEqual({"name", "value", "created_at", "updated_at", "links"}, set(settings[name]))
        shown = self.ask("GET", f"bios/{name}", version="1.73")[name]
        self.assertEqual(settings[name], shown)
        self.assertTrue(shown["links"][0]["href"].endswith(f"/v1/nodes/{self.uuid}/bios/{name}"))

    def test_details_and_fields_came_with_1_74(self) -> None:
        """Details say what a setting may be; fields are selected by name."""
        self.bring("manage")
        whole = self.bios("bios?detail=True", version="1.74")
        self.assertTrue(any(one["allowable_values"] for one in whole.values()))
        self.assertEqual(whole, {one["name"]: one for one in self.ask("GET", "bios?detail=True")["bios"]})
        name = next(iter(whole))
        self.assertIn("attribute_type", self.ask("GET", f"bios/{name}", version="1.74")[name])
        some = self.ask("GET", "bios?fields=name,read_only")["bios"][0]
        self.assertEqual({"name", "read_only", "created_at", "updated_at", "links"}, set(some))
        for query in ("detail=True", "fields=name"):
            self.assert_refused(self.refused("GET", f"bios?{query}", version="1.73"), 400, "1.74")
        self.assert_refused(self.refused("GET", "bios?fields=bogus"), 400, "bogus", "allowable_values")
        self.assert_refused(self.refused("GET", "bios?fields=name&detail=True"), 400, "together")

    def test_a_step_changes_a_setting_and_the_list_says_so(self) -> None:
        """After apply_configuration and after factory_reset the settings are read anew."""
        self.bring("manage")
        name, before = next(
            (name, one) for name, one in self.bios("bios?detail=True").items() if len(one["allowable_values"]) > 1
        )
        value = next(value for value in before["allowable_values"] if value != before["value"])
        apply = {"interface": "bios", "step": "apply_configuration", "args": {"settings": [{"name": name, "value": value}]}}
        self.clean(apply)
        self.assertEqual(value, self.bios()[name]["value"])
        self.clean({"interface": "bios", "step": "factory_reset"})
        self.assertEqual(before["value"], self.bios()[name]["value"])

    def test_it_came_with_1_40_and_names_what_there_is(self) -> None:
        """404 before, and for a setting that there is not."""
        self.assert_refused(self.refused("GET", "bios", version="1.39"), 404, "1.40")
        self.assert_refused(self.refused("GET", "bios/Bogus"), 404, "Bogus")

    def test_a_node_without_a_bios_interface_has_no_settings(self) -> None:
        """Managing it works, and a step says what to set."""
        self.change(bios_interface="no-bios")
        self.assertEqual("manageable", self.bring("manage").provision_state)
        self.assertEqual({"bios": []}, self.ask("GET", "bios"))


class TestFirmware(FindingsTestCase):
    def test_versions_are_read_and_an_update_is_seen(self) -> None:
        """The first version that was seen stays known, and what was flashed is said."""
        self.assertEqual({"firmware": []}, self.ask("GET", "firmware", version="1.86"))
        self.bring("manage")
        before = {one["component"]: one for one in self.ask("GET", "firmware")["firmware"]}
        settings = [{"component": "bios", "url": "http://images.example/bios-9.9.9.bin"}]
        self.clean({"interface": "firmware", "step": "update", "args": {"settings": settings}})
        after = {one["component"]: one for one in self.ask("GET", "firmware")["firmware"]}["bios"]
        self.assertEqual((before["bios"]["initial_version"], "9.9.9"), (after["initial_version"], after["current_version"]))
        self.assertEqual("9.9.9", after["last_version_flashed"])

    def test_versions_of_the_api(self) -> None:
        """It came with 1.86, and who made a component with 1.114."""
        self.bring("manage")
        self.assert_refused(self.refused("GET", "firmware", version="1.85"), 404, "1.86")
        self.assertNotIn("vendor", self.ask("GET", "firmware", version="1.113")["firmware"][0])
        self.assertIn("vendor", self.ask("GET", "firmware", version="1.114")["firmware"][0])
        some = self.ask("GET", "firmware?fields=component")["firmware"][0]
        self.assertEqual({"component", "created_at", "updated_at"}, set(some))
        self.assert_refused(self.refused("GET", "firmware?fields=vendor", version="1.113"), 400, "vendor")


class TestInventory(FindingsTestCase):
    def test_an_inspection_leaves_an_inventory(self) -> None:
        """Before there is one it is 404; it is not in the node itself; a second inspection replaces it."""
        self.assert_refused(self.refused("GET", "inventory"), 404, "inspect it first")
        self.bring("manage", "inspect", "inspect")
        shown = self.ask("GET", "inventory", version="1.81")
        self.assertEqual(self.machine().inventory.cpus, shown["inventory"]["cpu"]["count"])
        self.assertEqual({}, shown["plugin_data"])
        self.assertNotIn("inventory", self.get(N1)["driver_internal_info"])
        self.assert_refused(self.refused("GET", "inventory", version="1.80"), 404, "1.81")


class TestHealth(FindingsTestCase):
    def test_health_is_known_when_a_node_is_managed(self) -> None:
        """It came with 1.109; a BMC that does not say leaves it unknown."""
        self.assertIsNone(self.get(N1)["health"])
        self.bring("manage")
        self.assertEqual("OK", self.get(N1)["health"])
        self.assertNotIn("health", self.get(N1, version="1.108"))

    def test_power_sync_asks_for_it_now_and_then(self) -> None:
        """It is asked for the first time after at least ten turns and at most twenty, and what has changed is written."""
        self.bring("manage")
        record = self.record()
        self.runtime.store.update_node(record.uuid, {"health": "WARNING"}, fence=None)
        for _ in range(9):
            self.runtime.components.power_sync.observe(self.uuid)
        self.assertEqual("WARNING", self.record().health)
        for _ in range(10):
            self.runtime.components.power_sync.observe(self.uuid)
        self.assertEqual("OK", self.record().health)


class TestRAIDSteps(FindingsTestCase):
    def test_the_node_says_which_logical_disks_were_made(self) -> None:
        """raid_config follows the steps that ended well, and nothing else."""
        disk = {"size_gb": 100, "raid_level": "1", "is_root_volume": True}
        self.ask("PUT", "states/raid", {"logical_disks": [disk, {"size_gb": "MAX", "raid_level": "5"}]}, status=204)
        self.assertEqual({}, self.record().raid_config)
        self.bring("manage")
        only_root = {"create_nonroot_volumes": False, "delete_existing": True}
        self.clean({"interface": "raid", "step": "create_configuration", "args": only_root})
        self.assertEqual([disk], self.get(f"{N1}/states")["raid_config"]["logical_disks"])
        self.clean({"interface": "raid", "step": "delete_configuration"})
        self.assertEqual({}, self.record().raid_config)
