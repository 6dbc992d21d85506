"""Explanations of the state of a node."""

from __future__ import annotations

from baremetal_interfaces import BMCUnreachable
from baremetal_sdk.store.records.hardware import NodeHistoryRecord
from tests.fixtures.api import APITestCase
from tests.fixtures.stores import new_uuid

RUN_STEPS = (
    {"interface": "deploy", "step": "write_image", "priority": 80},
    {"interface": "deploy", "step": "boot", "priority": 10},
)


class TestExplanation(APITestCase):
    """``GET /v1/nodes/{node}/explain``."""

    def test_node_with_current_work(self) -> None:
        """The explanation shows the lease, its purpose, the step, the time against the usual time, and the next state."""
        node = self.create_node(name="a")
        store, clock = self.conductor.store, self.conductor.clock
        changes = {
            "provision_state": "deploying",
            "provision_updated_at": clock.now(),
            "run_id": new_uuid(),
            "run_steps": RUN_STEPS,
        }
        store.update_node(node, {**changes, "run_index": 1, "run_attempt": 2}, fence=None)
        event = "provision state 'deploying' -> 'active'"
        entries = [
            NodeHistoryRecord(
                new_uuid(), node, event_type="provisioning", event=event, duration_seconds=seconds, created_at=clock.now()
            )
            for seconds in (10, 20, 90)
        ]
        store.append_records(NodeHistoryRecord, entries)
        store.take_lease(node, holder="host-1/x", purpose="provisioning: active", duration=600)
        clock.turn(100)
        explanation = self.get("/v1/nodes/a/explain")
        self.assertEqual("host-1", explanation["held_by"]["conductor"])
        self.assertEqual("provisioning: active", explanation["held_by"]["purpose"])
        self.assertEqual(("boot", 2, 2, 2), tuple(explanation["step"][name] for name in ("step", "number", "of", "attempt")))
        self.assertEqual((100, 20, 3), tuple(explanation["in_state"][name] for name in ("seconds", "usual_seconds", "observed")))
        self.assertIn("when the work succeeds, the node becomes 'active'", explanation["next"])
        self.assertIn("usually that takes 20 s", " ".join(explanation["advice"]))

    def test_bmc_behind_an_open_breaker(self) -> None:
        """Advice about a BMC that refuses the credentials or does not answer comes first."""
        node = self.create_node()
        self.conductor.store.update_node(node, {"last_error": "it failed"}, fence=None)
        refusing = {"bmc": "http://one", "refused_logins": 2, "backed_off_seconds": 0.0}
        away = {"bmc": "http://two", "refused_logins": 0, "backed_off_seconds": 12.4}
        self.conductor.breakers = [refusing, away]
        explanation = self.get(f"/v1/nodes/{node}/explain")
        self.assertEqual([refusing, away], explanation["bmc"]["breakers"])
        first, second, third = explanation["advice"]
        self.assertRegex(first, "http://one refused the credentials: correct them in driver_info")
        self.assertRegex(second, "http://two does not answer: .* next attempt is in 12 s")
        self.assertIn("last_error", third)

    def test_node_whose_work_has_no_conductor(self) -> None:
        """A node in a working state without a lease waits for a conductor; the advice mentions the maintenance."""
        node = self.create_node()
        changes = {"provision_state": "cleaning", "maintenance": True, "maintenance_reason": "new fans"}
        self.conductor.store.update_node(node, changes, fence=None)
        explanation = self.get(f"/v1/nodes/{node}/explain")
        self.assertRegex(explanation["next"][0], "^no conductor works on the node")
        self.assertIn("new fans", explanation["advice"][0])

    def test_conductor_that_does_not_answer(self) -> None:
        """Without an answer of the conductor, the explanation shows the stored facts and the error."""
        node = self.create_node()
        self.conductor.failing["explain_node"] = BMCUnreachable("no route to host")
        explanation = self.get(f"/v1/nodes/{node}/explain")
        self.assertIsNone(explanation["held_by"])
        self.assertIsNone(explanation["step"])
        self.assertIn("no route to host", explanation["bmc"]["unknown"])
        self.assertIn("manage", explanation["verbs"])
