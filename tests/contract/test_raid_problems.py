"""The checks of a target RAID configuration that all drivers share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from testtools import TestCase

from baremetal_interfaces import LOGICAL_DISK_PROPERTIES, RAID_LEVELS, Problem, find_raid_problems

LEVELS = ("0", "1")
PROPERTIES = ("size_gb", "raid_level", "is_root_volume")


def find_all(disk: Mapping[str, Any]) -> list[Problem]:
    """Return the problems of *disk* for a driver that supports the whole vocabulary."""
    return find_raid_problems({"logical_disks": [disk]}, levels=RAID_LEVELS, properties=LOGICAL_DISK_PROPERTIES)


class FindRAIDProblemsTest(TestCase):
    """find_raid_problems()"""

    def fields(self, *disks: Any, **settings: Any) -> list[str]:
        """Return the fields of the problems of *disks*."""
        config = {"logical_disks": list(disks)}
        return [problem.field for problem in find_raid_problems(config, levels=LEVELS, properties=PROPERTIES, **settings)]

    def test_valid_configuration_has_no_problem(self) -> None:
        """Disks with a size, "MAX" included, and a known level are valid."""
        root = {"size_gb": 1, "raid_level": "1", "is_root_volume": True}
        self.assertEqual([], self.fields(root, {"size_gb": "MAX", "raid_level": "0"}))

    def test_configuration_without_disks_is_refused(self) -> None:
        """An absent list, an empty one and a value of another type are the same problem."""
        for config in ({}, {"logical_disks": []}, {"logical_disks": "1"}):
            problems = find_raid_problems(config, levels=LEVELS, properties=PROPERTIES)
            self.assertEqual(["target_raid_config/logical_disks"], [problem.field for problem in problems])

    def test_all_problems_of_all_disks_are_returned(self) -> None:
        """Each problem names the index of its disk, and what is allowed."""
        disks = [{"size_gb": True, "raid_level": "9", "speed": 1}, 7, {"size_gb": -1, "raid_level": ["1"]}]
        expected = ["0/speed", "0/size_gb", "0/raid_level", "1", "2/size_gb", "2/raid_level"]
        self.assertEqual([f"logical_disks/{field}" for field in expected], self.fields(*disks))
        problems = find_raid_problems({"logical_disks": disks}, levels=LEVELS, properties=PROPERTIES)
        self.assertEqual([], [problem for problem in problems if not problem.allowed])
        self.assertIn("one of 0, 1", str(problems[2]))

    def test_second_root_volume_is_refused(self) -> None:
        """Only one disk may be the root volume."""
        root = {"size_gb": 1, "raid_level": "1", "is_root_volume": True}
        self.assertEqual(["logical_disks"], self.fields(root, root))

    def test_vocabulary_is_that_of_the_bare_metal_api(self) -> None:
        """The properties and levels are those that clients send to Ironic, and each may stand in a valid disk."""
        names = "raid_level size_gb volume_name is_root_volume share_physical_disks disk_type interface_type"
        names += " number_of_physical_disks controller physical_disks"
        self.assertEqual(names.split(), list(LOGICAL_DISK_PROPERTIES))
        self.assertEqual(("JBOD", "0", "1", "2", "5", "6", "1+0", "5+0", "6+0"), RAID_LEVELS)
        values: dict[str, Any] = {"size_gb": 100, "volume_name": "v", "is_root_volume": True, "share_physical_disks": True}
        values |= {"disk_type": "ssd", "interface_type": "sas", "number_of_physical_disks": 2, "controller": "RAID.1"}
        for level in RAID_LEVELS:
            for drives in (["d0", "d1"], [{"size": "> 100"}, {"size": "> 100"}]):
                self.assertEqual([], find_all({**values, "raid_level": level, "physical_disks": drives}))

    def test_invalid_value_of_each_property_is_refused_by_value(self) -> None:
        """The problem names the property, the value and the allowed values."""
        valid = {"size_gb": 1, "raid_level": "1"}
        wrong_values: dict[str, tuple[Any, ...]] = {
            "raid_level": (None, 1, "9", ["1"]),
            "size_gb": (None, 0, 1.5, "10", True),
            "volume_name": (None, 7),
            "is_root_volume": (None, "true", 1),
            "share_physical_disks": (None, "false"),
            "disk_type": (None, "HDD", "nvme", ["hdd"]),
            "interface_type": (None, "nvme", {}),
            "number_of_physical_disks": (None, 0, -1, "2", True),
            "controller": (None, 1),
        }
        self.assertEqual({*LOGICAL_DISK_PROPERTIES}, {*wrong_values, "physical_disks"})
        for name, values in wrong_values.items():
            for value in values:
                problems = find_all({**valid, name: value})
                self.assertEqual([f"logical_disks/0/{name}"], [problem.field for problem in problems], f"{name}={value!r}")
                self.assertIn(repr(value), problems[0].wrong)
                self.assertTrue(problems[0].allowed)
        for value in (None, "d0", [1], ["d0", {}], [{}]):
            problems = find_all({**valid, "controller": "c", "physical_disks": value})
            self.assertEqual(["logical_disks/0/physical_disks"], [problem.field for problem in problems], value)

    def test_physical_disks_need_a_controller(self) -> None:
        """Identifiers of drives belong to a controller."""
        problems = find_all({"size_gb": 1, "raid_level": "1", "physical_disks": ["d0", "d1"]})
        self.assertEqual(["logical_disks/0/physical_disks"], [problem.field for problem in problems])
        self.assertIn("controller", str(problems[0]))

    def test_property_that_a_driver_does_not_support_is_refused_by_value(self) -> None:
        """A name of the Bare Metal API is never unknown; a value that asks for nothing is accepted."""
        disk = {"size_gb": 1, "raid_level": "1", "share_physical_disks": False}
        self.assertEqual([], self.fields(disk))
        problems = find_raid_problems(
            {"logical_disks": [{**disk, "share_physical_disks": True, "disk_type": "ssd"}]}, levels=LEVELS, properties=PROPERTIES
        )
        self.assertEqual(
            ["logical_disks/0/share_physical_disks: True is not supported", "logical_disks/0/disk_type: 'ssd' is not supported"],
            [f"{problem.field}: {problem.wrong}" for problem in problems],
        )

    def test_unknown_property_of_the_configuration_is_refused(self) -> None:
        """The configuration contains logical disks only."""
        config = {"logical_disks": [{"size_gb": 1, "raid_level": "1"}], "speed": 1}
        problems = find_raid_problems(config, levels=LEVELS, properties=PROPERTIES)
        self.assertEqual(["target_raid_config/speed"], [problem.field for problem in problems])

    def test_driver_adds_checks_of_disks_with_a_valid_level(self) -> None:
        """The driver's check gets the field and the disk, and may rely on the level."""
        checked: list[str] = []

        def check_disk(field: str, disk: Mapping[str, Any]) -> list[Problem]:
            checked.append(field)
            return [Problem(f"{field}/drives", "are too few", disk["raid_level"])]

        disks = [{"size_gb": 0, "raid_level": "1"}, {"size_gb": 1, "raid_level": "9"}, None]
        found = self.fields(*disks, check_disk=check_disk)
        self.assertEqual(["logical_disks/0"], checked)
        self.assertIn("logical_disks/0/drives", found)
