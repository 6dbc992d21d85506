"""The checks of a target RAID configuration that all drivers share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from testtools import TestCase

from baremetal_interfaces import Problem, find_raid_problems

LEVELS = ("0", "1")
PROPERTIES = ("size_gb", "raid_level", "is_root_volume")


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
