"""Stability of the published contract: changes need a new version, and plugins for 1.0 work with all 1.x."""

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
from tests.contract.public_api import SNAPSHOTS, describe, public_api, snapshot_of
from tests.contract.written_for_1_0 import plugin


def find_incompatibilities(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return the members of an older public API that are missing or changed in the current one, or newly required."""
    found = [f"{name} is gone" for name in before if name not in now]
    for name in before.keys() & now.keys():
        old, new = before[name], now[name]
        if not isinstance(old, dict) or not isinstance(new, dict):
            # A signature that contains the version as a default changes with the version.
            if str(old).replace(str(before.get("CONTRACT_VERSION")), str(CONTRACT_VERSION)) != str(new):
                found.append(f"{name} was {old} and is {new}")
            continue
        for part in ("methods", "fields", "values"):
            changed = [member for member, value in old.get(part, {}).items() if new.get(part, {}).get(member) != value]
            found += [
                f"{name}.{member} was {old[part][member]} and is {new.get(part, {}).get(member, 'gone')}" for member in changed
            ]
        found += [f"{name}.{member} is gone" for member in set(old.get("attributes", ())) - set(new.get("attributes", ()))]
        found += [
            f"{name}.{member} must be implemented now" for member in set(new.get("abstract", ())) - set(old.get("abstract", ()))
        ]
        added = new.get("fields", {}).keys() - old.get("fields", {}).keys()
        found += [f"{name}.{member} is required now" for member in added if "= ..." not in new["fields"][member]]
    return found


class FrozenTest(TestCase):
    """The public API, compared with the published snapshots."""

    def test_public_api_is_the_snapshot_of_its_version(self) -> None:
        """A change of the public API needs a new CONTRACT_VERSION and its snapshot."""
        path = snapshot_of(CONTRACT_VERSION)
        self.assertTrue(path.exists(), f"run python -m tests.contract.public_api to write {path.name}")
        published = json.loads(path.read_text(encoding="utf-8"))
        self.assertEqual(published, json.loads(json.dumps(public_api())))

    def test_older_minor_versions_stay_compatible(self) -> None:
        """Each member of older minor versions exists, unchanged and without new requirements."""
        for path in sorted(SNAPSHOTS.glob("*.json")):
            major, minor = (int(part) for part in path.stem.split("."))
            if is_compatible((major, minor)):
                before = json.loads(path.read_text(encoding="utf-8"))
                self.assertEqual([], find_incompatibilities(before, public_api()), path.name)

    def test_additions_are_compatible_and_new_requirements_are_not(self) -> None:
        """A new method with a default is compatible; an abstract one, a changed signature and a removal are not."""

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

        before, more = {"A": {**describe(Before), "bases": []}}, {"A": {**describe(More), "bases": []}}
        self.assertEqual([], find_incompatibilities(before, more))
        self.assertEqual(1, len(find_incompatibilities(before, {"A": describe(Other)})))
        self.assertEqual(["A is gone"], find_incompatibilities(before, {}))
        demanding = {"A": {**more["A"], "abstract": ["add"]}}
        self.assertEqual(["A.add must be implemented now"], find_incompatibilities(before, demanding))

    def test_older_names_are_the_same_objects(self) -> None:
        """A name that has a new name in a later version is an alias of it."""
        self.assertIs(sending.request_slot, baremetal_interfaces.in_turn)
        self.assertIs(sending.send_guard, baremetal_interfaces.guarded_sends)
        self.assertIs(sending.use_slots, sending.turns_given_by)
        self.assertIs(sending.current_slots, sending.current_turns)
        self.assertIs(sending.RequestSlots, sending.Turns)
        self.assertIs(sending.SingleSlot, sending.OneAtATime)

    def test_plugin_for_1_0_imports_only_the_contract(self) -> None:
        """The plugin for 1.0 imports nothing but the contract, and declares its version."""
        text = Path(plugin.__file__).read_text(encoding="utf-8")
        imported = {line.split()[1].split(".")[0] for line in text.splitlines() if line.startswith(("from ", "import "))}
        self.assertEqual({"__future__", "baremetal_interfaces", "dataclasses", "typing"}, imported)
        self.assertEqual((1, 0), plugin.OldPower.contract_version)


class DeprecationTest(TestCase):
    """deprecated()"""

    def test_warning_names_version_date_and_replacement(self) -> None:
        """A deprecated function works and warns with version, date and replacement."""

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


class TestPluginFor10(HardwareTypeConformance):
    """A plugin for contract 1.0 passes the conformance kit of the current version."""

    hardware_type = plugin.OldHardware
    interfaces = {
        "power": plugin.OldPower,
        "management": plugin.OldManagement,
        "deploy": plugin.OldDeploy,
        "bios": plugin.OldBIOS,
        "vendor": plugin.OldVendor,
    }
    driver_info = {"old_address": "old-1.example", "old_password": "s3same"}
