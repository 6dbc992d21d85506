"""What the contract has published stays: a change of it needs another version, and what was written for 1.0 goes on working."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from testtools import TestCase

import baremetal_interfaces
from baremetal_interfaces import CONTRACT_VERSION, is_compatible, sending
from baremetal_interfaces.conformance import HardwareTypeConformance
from baremetal_interfaces.deprecation import deprecated
from tests.contract.public_api import SNAPSHOTS, described, public_api, snapshot_of
from tests.contract.written_for_1_0 import plugin


def broken_promises(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What of an older interface is not there any more, or asks for more than it did."""
    found = [f"{name} is gone" for name in before if name not in now]
    for name in before.keys() & now.keys():
        old, new = before[name], now[name]
        if not isinstance(old, dict) or not isinstance(new, dict):
            # A default that is the version itself changes with it.
            if str(old).replace(str(before.get("CONTRACT_VERSION")), str(CONTRACT_VERSION)) != str(new):
                found.append(f"{name} was {old} and is {new}")
            continue
        for part in ("methods", "fields", "values"):
            changed = [one for one, value in old.get(part, {}).items() if new.get(part, {}).get(one) != value]
            found += [f"{name}.{one} was {old[part][one]} and is {new.get(part, {}).get(one, 'gone')}" for one in changed]
        found += [f"{name}.{one} is gone" for one in set(old.get("attributes", ())) - set(new.get("attributes", ()))]
        found += [f"{name}.{one} has to be written now" for one in set(new.get("abstract", ())) - set(old.get("abstract", ()))]
        added = new.get("fields", {}).keys() - old.get("fields", {}).keys()
        found += [f"{name}.{one} has to be given now" for one in added if "= ..." not in new["fields"][one]]
    return found


class FrozenTest(TestCase):
    """The interface, compared with what was published."""

    def test_interface_is_the_one_that_this_version_published(self) -> None:
        """A change of the public interface fails here until CONTRACT_VERSION says so, and a new snapshot is written."""
        path = snapshot_of(CONTRACT_VERSION)
        self.assertTrue(path.exists(), f"python -m tests.contract.public_api writes {path.name}")
        published = json.loads(path.read_text(encoding="utf-8"))
        self.assertEqual(published, json.loads(json.dumps(public_api())))

    def test_every_older_version_of_the_same_major_is_kept(self) -> None:
        """Nothing that an older minor version published is gone, or asks for more."""
        for path in sorted(SNAPSHOTS.glob("*.json")):
            major, minor = (int(part) for part in path.stem.split("."))
            if is_compatible((major, minor)):
                before = json.loads(path.read_text(encoding="utf-8"))
                self.assertEqual([], broken_promises(before, public_api()), path.name)

    def test_additions_are_no_broken_promises_and_demands_are(self) -> None:
        """A method with a default may come; an abstract one, a changed signature and a removal may not."""

        class Before:
            def ask(self, task: int) -> None:
                """Ask."""

        class More(Before):
            def ask(self, task: int) -> None:
                """Ask."""

            def add(self) -> None:
                """Add."""

        class Other:
            def ask(self, task: int, more: int) -> None:
                """Ask."""

        before, more = {"A": {**described(Before), "bases": []}}, {"A": {**described(More), "bases": []}}
        self.assertEqual([], broken_promises(before, more))
        self.assertEqual(1, len(broken_promises(before, {"A": described(Other)})))
        self.assertEqual(["A is gone"], broken_promises(before, {}))
        demanding = {"A": {**more["A"], "abstract": ["add"]}}
        self.assertEqual(["A.add has to be written now"], broken_promises(before, demanding))

    def test_older_names_are_the_same_objects(self) -> None:
        """A name that got a better one in a later version goes on working."""
        self.assertIs(sending.request_slot, baremetal_interfaces.in_turn)
        self.assertIs(sending.send_guard, baremetal_interfaces.guarded_sends)
        self.assertIs(sending.use_slots, sending.turns_given_by)
        self.assertIs(sending.current_slots, sending.current_turns)
        self.assertIs(sending.RequestSlots, sending.Turns)
        self.assertIs(sending.SingleSlot, sending.OneAtATime)

    def test_plugin_of_the_first_version_is_never_changed(self) -> None:
        """It imports nothing but the contract, and says what it was written for."""
        text = Path(plugin.__file__).read_text(encoding="utf-8")
        imported = {line.split()[1].split(".")[0] for line in text.splitlines() if line.startswith(("from ", "import "))}
        self.assertEqual({"__future__", "baremetal_interfaces", "dataclasses", "typing"}, imported)
        self.assertEqual((1, 0), plugin.OldPower.contract_version)


class DeprecationTest(TestCase):
    """How something is taken back."""

    def test_caller_is_told_until_when_and_what_to_use_instead(self) -> None:
        """The warning holds version, date and replacement; the function goes on working."""

        @deprecated(since=(1, 2), until="2028-06-30", instead="new()")
        def old() -> int:
            return 7

        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            self.assertEqual(7, old())
        self.assertIs(DeprecationWarning, seen[0].category)
        for part in ("contract 1.2", "2028-06-30", "new()"):
            self.assertIn(part, str(seen[0].message))
        self.assertRaises(ValueError, deprecated, since=(1, 2), until="soon", instead="x")


class TestWrittenForTheFirstVersion(HardwareTypeConformance):
    """A plugin that was written for 1.0 keeps the contract as it is today."""

    hardware_type = plugin.OldHardware
    interfaces = {
        "power": plugin.OldPower,
        "management": plugin.OldManagement,
        "deploy": plugin.OldDeploy,
        "bios": plugin.OldBIOS,
        "vendor": plugin.OldVendor,
    }
    driver_info = {"old_address": "old-1.example", "old_password": "s3same"}
