"""What a conductor tells of the BMC of a node."""

from __future__ import annotations

from testtools import TestCase

from baremetal_sdk.testing import provision, running_conductor


class TestExplanations(TestCase):
    """``explain_node``."""

    def test_the_last_calls_are_told_with_their_outcomes(self) -> None:
        """After a node was managed, the calls of its driver are known, the newest first, and its breaker."""
        with running_conductor() as conductor:
            node = conductor.rpc.call("create_node", values={"driver": "fake-hardware"}).uuid
            self.assertEqual([], conductor.rpc.call("explain_node", node=node)["calls"])
            provision(conductor, node, "manage")
            told = conductor.rpc.call("explain_node", node=node)
        self.assertIn(("power", "get_power_state"), [(call["interface"], call["method"]) for call in told["calls"]])
        self.assertEqual({"succeeded"}, {call["outcome"] for call in told["calls"]})
        ended = [call["ended_at"] for call in told["calls"]]
        self.assertEqual(sorted(ended, reverse=True), ended)
        self.assertTrue(all(breaker["backed_off_seconds"] == 0 for breaker in told["breakers"]))
