"""Why a node is as it is."""

from __future__ import annotations

from baremetal_interfaces import BMCUnreachable
from baremetal_sdk.store.records.hardware import NodeHistoryRecord
from tests.fixtures.api import APITestCase
from tests.fixtures.stores import new_uuid

RUN = ({"interface": "deploy", "step": "write_image", "priority": 80}, {"interface": "deploy", "step": "boot", "priority": 10})


class TestExplanation(APITestCase):
    """``GET /v1/nodes/{node}/explain``."""

    def test_a_node_that_is_worked_on(self) -> None:
        """Who holds it and for what, its step, its time against what is usual, and what comes next are told."""
        node = self.node(name="a")
        store, clock = self.conductor.store, self.conductor.clock
        changes = {"provision_state": "deploying", "provision_updated_at": clock.now(), "run_id": new_uuid(), "run_steps": RUN}
        store.update_node(node, {**changes, "run_index": 1, "run_attempt": 2}, fence=None)
        left = "provision state 'deploying' -> 'active'"
        entries = [
            NodeHistoryRecord(new_uuid(), node, event_type="provisioning", event=left, duration_seconds=n, created_at=clock.now())
            for n in (10, 20, 90)
        ]
        store.append_records(NodeHistoryRecord, entries)
        store.take_lease(node, holder="host-1/x", purpose="provisioning: active", duration=600)
        clock.turn(100)
        told = self.get("/v1/nodes/a/explain")
        self.assertEqual(("host-1", "provisioning: active"), (told["held_by"]["conductor"], told["held_by"]["purpose"]))
        self.assertEqual(("boot", 2, 2, 2), tuple(told["step"][name] for name in ("step", "number", "of", "attempt")))
        self.assertEqual((100, 20, 3), tuple(told["in_state"][name] for name in ("seconds", "usual_seconds", "observed")))
        self.assertIn("when the work succeeds, it becomes 'active'", told["next"])
        self.assertIn("usually that takes 20 s", " ".join(told["advice"]))

    def test_a_bmc_that_is_left_alone(self) -> None:
        """What an operator can do about a BMC that refuses the credentials, or does not answer, is said before all else."""
        node = self.node()
        self.conductor.store.update_node(node, {"last_error": "it failed"}, fence=None)
        refusing = {"bmc": "http://one", "refused_logins": 2, "backed_off_seconds": 0.0}
        away = {"bmc": "http://two", "refused_logins": 0, "backed_off_seconds": 12.4}
        self.conductor.breakers = [refusing, away]
        told = self.get(f"/v1/nodes/{node}/explain")
        self.assertEqual([refusing, away], told["bmc"]["breakers"])
        first, second, third = told["advice"]
        self.assertRegex(first, "http://one refused the credentials: correct them in driver_info")
        self.assertRegex(second, "http://two does not answer: .* again in 12 s")
        self.assertIn("last_error", third)

    def test_a_node_that_nobody_works_on(self) -> None:
        """In a state of work without a holder, that somebody will take it up is what comes next; maintenance is told of."""
        node = self.node()
        changes = {"provision_state": "cleaning", "maintenance": True, "maintenance_reason": "new fans"}
        self.conductor.store.update_node(node, changes, fence=None)
        told = self.get(f"/v1/nodes/{node}/explain")
        self.assertRegex(told["next"][0], "^nobody works on it")
        self.assertIn("new fans", told["advice"][0])

    def test_a_conductor_that_cannot_be_asked(self) -> None:
        """What is stored is told though the conductor does not answer, and that it does not is told, too."""
        node = self.node()
        self.conductor.failing["explain_node"] = BMCUnreachable("nobody is there")
        told = self.get(f"/v1/nodes/{node}/explain")
        self.assertEqual((None, None), (told["held_by"], told["step"]))
        self.assertIn("nobody is there", told["bmc"]["unknown"])
        self.assertIn("manage", told["verbs"])
