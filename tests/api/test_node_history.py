"""The history of nodes, and their children."""

from __future__ import annotations

from typing import Any

from baremetal_sdk.errors import StoreUnavailable
from baremetal_sdk.store.records.hardware import NodeHistoryRecord
from baremetal_sdk.store.records.query import Query
from tests.api.machines import MachineAPITestCase


class HistoryTestCase(MachineAPITestCase):
    def entries(self, query: str = "", version: str = "1.115") -> list[dict[str, Any]]:
        """The history, when all that was collected is stored."""
        self.runtime.components.history.flush()
        return list(self.ask("GET", f"history{query}", version=version)["history"])


class TestHistory(HistoryTestCase):
    def test_successes_are_told_with_state_power_step_and_purpose(self) -> None:
        """Each change of state, power and step is an entry, and says what for."""
        self.bring("manage", "provide")
        told = [(one["event_type"], one["event"], one["state"]) for one in self.entries("?detail=True")]
        self.assertIn(("provisioning", "provision state 'enroll' -> 'verifying' (provisioning: manage)", "verifying"), told)
        self.assertIn(("power", "power 'unknown' -> 'power off', seen by task (provisioning: manage)", "manageable"), told)
        self.assertIn(("step", "clean step deploy.erase_devices_metadata began (provisioning: provide)", "cleaning"), told)
        self.assertEqual("available", told[-1][2])
        self.assertEqual({"INFO"}, {one["severity"] for one in self.entries()})

    def test_failures_are_told_with_their_reason(self) -> None:
        """A failure is of severity ERROR, and its text is that of last_error."""
        self.change(driver_info={**self.record().driver_info, "fake_faults": {"get_power": {"effect": "refuse"}}})
        record = self.bring("manage")
        (failure,) = [one for one in self.entries("?detail=True") if one["severity"] == "ERROR"]
        self.assertIn(str(record.last_error), failure["event"])
        self.assertEqual(("provisioning", "enroll", "test"), (failure["event_type"], failure["state"], failure["conductor"]))

    def test_maintenance_is_told(self) -> None:
        """Its beginning with the reason, and its end."""
        self.ask("PUT", "maintenance", {"reason": "fan"}, status=202)
        self.ask("DELETE", "maintenance", status=202)
        self.assertEqual(["maintenance began: fan", "maintenance ended"], [one["event"] for one in self.entries()])

    def test_fields_came_with_versions(self) -> None:
        """The history came with 1.78, the project with 1.113, state and duration with 1.115."""
        self.bring("manage")
        self.assert_refused(self.refused("GET", "history", version="1.77"), 404, "1.78")
        self.assertEqual({"uuid", "created_at", "severity", "event", "links"}, set(self.entries(version="1.78")[0]))
        first = set(self.entries("?detail=True", version="1.112")[0])
        self.assertEqual({"project"}, set(self.entries("?detail=True", version="1.114")[0]) - first)
        new = set(self.entries("?detail=True")[0]) - set(self.entries("?detail=True", version="1.114")[0])
        self.assertEqual({"state", "target_provision_state", "duration_seconds"}, new)

    def test_pages_and_single_entries(self) -> None:
        """A page leads to the next one; an entry is shown whole under its UUID, at its own node only."""
        self.bring("manage", "provide")
        entries = self.entries()
        page = self.ask("GET", "history?limit=2")
        self.assertEqual([one["uuid"] for one in entries[:2]], [one["uuid"] for one in page["history"]])
        following = self.get(page["next"].removeprefix("http://localhost"))["history"]
        self.assertEqual([one["uuid"] for one in entries[2:4]], [one["uuid"] for one in following])
        newest = self.ask("GET", "history?sort_key=created_at&sort_dir=desc&limit=1")["history"][0]
        self.assertEqual(entries[-1]["created_at"], newest["created_at"])
        self.assertIn("event_type", self.ask("GET", f"history/{entries[0]['uuid']}"))
        other = self.enrol("m2")
        self.assert_refused(self.request("GET", f"/v1/nodes/{other}/history/{entries[0]['uuid']}"), 404, "history entry")
        self.assert_refused(self.refused("GET", "history?sort_key=bogus"), 400, "bogus")

    def test_a_history_goes_with_its_node(self) -> None:
        """What is collected of a node that is deleted meanwhile is left out, and that of others is stored."""
        other = self.enrol("m2")
        self.bring("manage", node=other)
        self.bring("manage")
        self.runtime.rpc.call("delete_node", node=other)
        self.assertTrue(self.entries())
        self.assertEqual([], list(self.runtime.store.records(NodeHistoryRecord, Query(where={"node_uuid": other}))))

    def test_a_store_that_is_away_costs_no_entry(self) -> None:
        """What could not be stored is stored later."""
        self.bring("manage")
        history, append = self.runtime.components.history, self.runtime.store.append_records

        def fail(*_: object) -> int:
            raise StoreUnavailable("away")

        self.runtime.store.append_records = fail  # type: ignore[method-assign]
        history.flush()
        self.runtime.store.append_records = append  # type: ignore[method-assign]
        self.assertTrue(self.entries())


class TestRetention(HistoryTestCase):
    def options(self) -> dict[str, Any]:
        """Few entries are kept."""
        return {"node_history_max_entries": 3, "node_history_cleanup_interval": 0.0}

    def test_the_newest_entries_are_kept(self) -> None:
        """Beyond the maximum the oldest go."""
        self.bring("manage", "provide")
        before = [one["uuid"] for one in self.entries()]
        gone = self.runtime.components.history.prune()
        self.assertTrue(0 < gone <= len(before) - 3, gone)
        self.assertEqual(before[gone:], [one["uuid"] for one in self.entries()])
        self.assertEqual(0, self.runtime.components.history.prune())


class TestYoungHistory(HistoryTestCase):
    def options(self) -> dict[str, Any]:
        """Few entries are kept, but young ones all."""
        return {"node_history_max_entries": 3, "node_history_minimum_days": 1}

    def test_young_entries_are_kept_however_many_there_are(self) -> None:
        """Nothing that is younger than the minimum goes."""
        self.bring("manage", "provide")
        self.entries()
        self.assertEqual(0, self.runtime.components.history.prune())


class TestNoHistory(HistoryTestCase):
    def options(self) -> dict[str, Any]:
        """None is kept."""
        return {"node_history": False}

    def test_it_can_be_left_out(self) -> None:
        """Nothing is collected."""
        self.bring("manage")
        self.assertEqual([], self.entries())


class TestChildren(MachineAPITestCase):
    def test_children_are_listed_since_1_83(self) -> None:
        """A node lists those whose parent it is."""
        self.assertEqual([], self.ask("GET", "children")["children"])
        child = self.enrol("m2", parent_node=self.uuid)
        self.assertEqual([child], self.ask("GET", "children", version="1.83")["children"])
        self.assert_refused(self.refused("GET", "children", version="1.82"), 404, "1.83")
