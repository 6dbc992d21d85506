"""RAID configurations: validation of the target, and properties of logical disks."""

from __future__ import annotations

from baremetal_interfaces import LOGICAL_DISK_PROPERTIES
from tests.api.machines import MachineAPITestCase

TARGET_CONFIG = {
    "logical_disks": [{"size_gb": 100, "raid_level": "1", "is_root_volume": True}, {"size_gb": "MAX", "raid_level": "5"}]
}


class TestRAID(MachineAPITestCase):
    def test_target_configuration_is_validated_and_stored(self) -> None:
        """The driver validates the target; an invalid one is refused with all problems, an empty one clears it."""
        self.call_node("PUT", "states/raid", TARGET_CONFIG, status=204, version="1.12")
        self.assertEqual(TARGET_CONFIG, self.call_node("GET", "states")["target_raid_config"])
        for wrong in ({"logical_disks": []}, {"logical_disks": [{"size_gb": -1, "raid_level": "9"}]}, {"disks": []}):
            self.assert_refused(self.request_node("PUT", "states/raid", wrong), 400, "logical_disks")
        self.assertEqual(TARGET_CONFIG, self.call_node("GET", "states")["target_raid_config"])
        self.call_node("PUT", "states/raid", {}, status=204)
        self.assertEqual({}, self.call_node("GET", "states")["target_raid_config"])

    def test_vocabulary_of_other_clients_is_accepted(self) -> None:
        """Hardware RAID of Metal3, and software RAID of gophercloud with hints for the drives, have names for each property."""
        hardware = {
            "raid_level": "JBOD",
            "size_gb": "MAX",
            "controller": "RAID.1",
            "physical_disks": ["d0", "d1"],
            "volume_name": "v",
        }
        chosen = {"raid_level": "5+0", "size_gb": 10, "disk_type": "hdd", "interface_type": "sas", "number_of_physical_disks": 6}
        hints = [{"size": "> 100"}, {"size": "> 100"}]
        software = {
            "raid_level": "1",
            "size_gb": "MAX",
            "controller": "software",
            "physical_disks": hints,
            "is_root_volume": True,
        }
        disks = [hardware, {**chosen, "share_physical_disks": True}, software]
        self.call_node("PUT", "states/raid", {"logical_disks": disks}, status=204)
        self.assertEqual({"logical_disks": disks}, self.call_node("GET", "states")["target_raid_config"])
        wrong = {"raid_level": "1", "size_gb": 10, "disk_type": "tape"}
        refused = self.request_node("PUT", "states/raid", {"logical_disks": [wrong]})
        self.assert_refused(refused, 400, "logical_disks/0/disk_type: 'tape' is not valid", "hdd, ssd")

    def test_target_of_a_node_without_raid_interface_is_404(self) -> None:
        """The error names the interface and the remedy; clearing the target needs no interface."""
        self.change(raid_interface="no-raid")
        self.assert_refused(self.request_node("PUT", "states/raid", TARGET_CONFIG), 404, "no-raid", "set raid_interface")
        self.call_node("PUT", "states/raid", {}, status=204)

    def test_logical_disk_properties_of_the_default_interface(self) -> None:
        """The route needs 1.12; a hardware type without RAID gets 404."""
        path = "/v1/drivers/{}/raid/logical_disk_properties"
        self.assertEqual(dict(LOGICAL_DISK_PROPERTIES), self.get(path.format("fake-hardware"), version="1.12"))
        self.assert_refused(self.request("GET", path.format("fake-hardware"), version="1.11"), 406, "1.12")
        self.assert_refused(self.request("GET", path.format("ipmi")), 404, "no-raid")
        self.assert_refused(self.request("GET", path.format("nope")), 404, "nope")
