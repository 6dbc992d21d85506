"""RAID configurations: what may be asked for, and the steps that bring it about."""

from __future__ import annotations

from tests.api.machines import MachineAPITestCase

WANTED = {"logical_disks": [{"size_gb": 100, "raid_level": "1", "is_root_volume": True}, {"size_gb": "MAX", "raid_level": "5"}]}


class TestRAID(MachineAPITestCase):
    def test_the_wanted_configuration_is_checked_by_the_driver_and_stored(self) -> None:
        """What can be made is stored; what cannot is refused, with all that is wrong; an empty one takes it back."""
        self.ask("PUT", "states/raid", WANTED, status=204, version="1.12")
        self.assertEqual(WANTED, self.ask("GET", "states")["target_raid_config"])
        for wrong in ({"logical_disks": []}, {"logical_disks": [{"size_gb": -1, "raid_level": "9"}]}, {"disks": []}):
            self.assert_refused(self.refused("PUT", "states/raid", wrong), 400, "logical_disks")
        self.assertEqual(WANTED, self.ask("GET", "states")["target_raid_config"])
        self.ask("PUT", "states/raid", {}, status=204)
        self.assertEqual({}, self.ask("GET", "states")["target_raid_config"])

    def test_a_node_without_a_raid_interface_is_404_as_clients_know_it(self) -> None:
        """The refusal names the interface and the remedy; taking a wish back needs no interface."""
        self.change(raid_interface="no-raid")
        self.assert_refused(self.refused("PUT", "states/raid", WANTED), 404, "no-raid", "set raid_interface")
        self.ask("PUT", "states/raid", {}, status=204)

    def test_properties_of_logical_disks_are_those_of_the_default_interface(self) -> None:
        """Since 1.12; a hardware type that makes no logical disks is 404."""
        path = "/v1/drivers/{}/raid/logical_disk_properties"
        self.assertIn("raid_level", self.get(path.format("fake-hardware"), version="1.12"))
        self.assert_refused(self.request("GET", path.format("fake-hardware"), version="1.11"), 406, "1.12")
        self.assert_refused(self.request("GET", path.format("ipmi")), 404, "no-raid")
        self.assert_refused(self.request("GET", path.format("nope")), 404, "nope")
