"""The history of nodes, and child nodes."""

from __future__ import annotations

from typing import Any

from baremetal_sdk.errors import StoreUnavailable
from baremetal_sdk.store.records.hardware import NodeHistoryRecord
from baremetal_sdk.store.records.query import Query
from tests.api.machines import MachineAPITestCase


class HistoryTestCase(MachineAPITestCase):
    def read_entries(self, query: str = "", version: str = "1.115") -> list[dict[str, Any]]:
        """Return the history after all collected entries are stored."""
        self.runtime.components.history.flush()
        return list(self.call_node("GET", f"history{query}", version=version)["history"])


class TestHistory(HistoryTestCase):
    def test_history_contains_successes(self) -> None:
        """Each change of state, power and step is an entry with its purpose."""
        self.run_verbs("manage", "provide")
        events = [(entry["event_type"], entry["event"], entry["state"]) for entry in self.read_entries("?detail=True")]
        self.assertIn(("provisioning", "provision state 'enroll' -> 'verifying' (provisioning: manage)", "verifying"), events)
        self.assertIn(("power", "power 'unknown' -> 'power off', seen by task (provisioning: manage)", "manageable"), events)
        self.assertIn(("step", "clean step deploy.erase_devices_metadata began (provisioning: provide)", "cleaning"), events)
        self.assertEqual("available", events[-1][2])
        self.assertEqual({"INFO"}, {entry["severity"] for entry in self.read_entries()})

    def test_history_contains_failures_with_their_reason(self) -> None:
        """A failure has severity ERROR, and its text contains last_error."""
        self.change(driver_info={**self.record().driver_info, "fake_faults": {"get_power": {"effect": "refuse"}}})
        record = self.run_verbs("manage")
        (failure,) = [entry for entry in self.read_entries("?detail=True") if entry["severity"] == "ERROR"]
        self.assertIn(str(record.last_error), failure["event"])
        self.assertEqual("provisioning", failure["event_type"])
        self.assertEqual("enroll", failure["state"])
        self.assertEqual("test", failure["conductor"])

    def test_history_contains_maintenance(self) -> None:
        """One entry has the start with its reason, and another has the end."""
        self.call_node("PUT", "maintenance", {"reason": "fan"}, status=202)
        self.call_node("DELETE", "maintenance", status=202)
        self.assertEqual(["maintenance began: fan", "maintenance ended"], [entry["event"] for entry in self.read_entries()])

    def test_first_versions_of_history_fields(self) -> None:
        """The history needs 1.78, the project 1.113, and the state and the duration 1.115."""
        self.run_verbs("manage")
        self.assert_refused(self.request_node("GET", "history", version="1.77"), 404, "1.78")
        self.assertEqual({"uuid", "created_at", "severity", "event", "links"}, set(self.read_entries(version="1.78")[0]))
        first = set(self.read_entries("?detail=True", version="1.112")[0])
        self.assertEqual({"project"}, set(self.read_entries("?detail=True", version="1.114")[0]) - first)
        new = set(self.read_entries("?detail=True")[0]) - set(self.read_entries("?detail=True", version="1.114")[0])
        self.assertEqual({"state", "target_provision_state", "duration_seconds"}, new)

    def test_pages_and_single_entries(self) -> None:
        """A page links to the next page; an entry is shown with all fields below its own node only."""
        self.run_verbs("manage", "provide")
        entries = self.read_entries()
        page = self.call_node("GET", "history?limit=2")
        self.assertEqual([entry["uuid"] for entry in entries[:2]], [entry["uuid"] for entry in page["history"]])
        following = self.get(page["next"].removeprefix("http://localhost"))["history"]
        self.assertEqual([entry["uuid"] for entry in entries[2:4]], [entry["uuid"] for entry in following])
        newest = self.call_node("GET", "history?sort_key=created_at&sort_dir=desc&limit=1")["history"][0]
        self.assertEqual(entries[-1]["created_at"], newest["created_at"])
        self.assertIn("event_type", self.call_node("GET", f"history/{entries[0]['uuid']}"))
        other = self.enroll("m2")
        self.assert_refused(self.request("GET", f"/v1/nodes/{other}/history/{entries[0]['uuid']}"), 404, "history entry")
        self.assert_refused(self.request_node("GET", "history?sort_key=bogus"), 400, "bogus")

    def test_history_is_deleted_with_its_node(self) -> None:
        """Entries of a deleted node are not stored, and entries of other nodes are."""
        other = self.enroll("m2")
        self.run_verbs("manage", node=other)
        self.run_verbs("manage")
        self.runtime.rpc.call("delete_node", node=other)
        self.assertTrue(self.read_entries())
        self.assertEqual([], list(self.runtime.store.records(NodeHistoryRecord, Query(where={"node_uuid": other}))))

    def test_unavailable_store_loses_no_entry(self) -> None:
        """Entries that could not be stored are stored later."""
        self.run_verbs("manage")
        history, append = self.runtime.components.history, self.runtime.store.append_records

        def fail(*_: object) -> int:
            raise StoreUnavailable("away")

        self.runtime.store.append_records = fail  # type: ignore[method-assign]
        history.flush()
        self.runtime.store.append_records = append  # type: ignore[method-assign]
        self.assertTrue(self.read_entries())


class TestRetention(HistoryTestCase):
    def options(self) -> dict[str, Any]:
        """Limit the number of entries."""
        return {"node_history_max_entries": 3, "node_history_cleanup_interval": 0.0}

    def test_the_newest_entries_are_kept(self) -> None:
        """Pruning deletes the oldest entries beyond the maximum."""
        self.run_verbs("manage", "provide")
        before = [entry["uuid"] for entry in self.read_entries()]
        deleted_count = self.runtime.components.history.prune()
        self.assertTrue(0 < deleted_count <= len(before) - 3, deleted_count)
        self.assertEqual(before[deleted_count:], [entry["uuid"] for entry in self.read_entries()])
        self.assertEqual(0, self.runtime.components.history.prune())


class TestMinimumAge(HistoryTestCase):
    def options(self) -> dict[str, Any]:
        """Limit the number of entries, but keep all entries of the last day."""
        return {"node_history_max_entries": 3, "node_history_minimum_days": 1}

    def test_entries_below_the_minimum_age_are_kept(self) -> None:
        """Pruning deletes no entry that is younger than the minimum age."""
        self.run_verbs("manage", "provide")
        self.read_entries()
        self.assertEqual(0, self.runtime.components.history.prune())


class TestNoHistory(HistoryTestCase):
    def options(self) -> dict[str, Any]:
        """Turn the history off."""
        return {"node_history": False}

    def test_history_can_be_turned_off(self) -> None:
        """The service collects no entries."""
        self.run_verbs("manage")
        self.assertEqual([], self.read_entries())


class TestChildren(MachineAPITestCase):
    def test_children_need_1_83(self) -> None:
        """A node lists the nodes that name it as their parent."""
        self.assertEqual([], self.call_node("GET", "children")["children"])
        child = self.enroll("m2", parent_node=self.uuid)
        self.assertEqual([child], self.call_node("GET", "children", version="1.83")["children"])
        self.assert_refused(self.request_node("GET", "children", version="1.82"), 404, "1.83")
