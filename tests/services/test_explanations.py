"""Explanations of a node: its last driver calls and the breakers of its BMCs."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import BareMetalError
from baremetal_sdk import Conductor
from baremetal_sdk.bmc.connect_breakers import MAX_CONNECT_FAILURES
from baremetal_sdk.testing import provision
from tests.fixtures.machines import MachinesCase


class TestExplanations(MachinesCase):
    """``explain_node``."""

    def explain(self, conductor: Conductor, node: str) -> dict[str, Any]:
        """Return the explanation of a node."""
        result: dict[str, Any] = conductor.rpc.call("explain_node", node=node)
        return result

    def test_last_calls_have_their_outcomes(self) -> None:
        """The explanation lists the driver calls that used a BMC, newest first, and no validations."""
        conductor = self.conductor()
        node = self.enroll(conductor, power_interface="fake-bmc").uuid
        self.assertEqual([], self.explain(conductor, node)["calls"])
        provision(conductor, node, "manage")
        explanation = self.explain(conductor, node)
        self.assertIn(
            ("power", "get_power_state", "m1"),
            [(call["interface"], call["method"], call["bmc"]) for call in explanation["calls"]],
        )
        self.assertEqual({"succeeded"}, {call["outcome"] for call in explanation["calls"]})
        self.assertNotIn("validate", [call["method"] for call in explanation["calls"]])
        ended = [call["ended_at"] for call in explanation["calls"]]
        self.assertEqual(sorted(ended, reverse=True), ended)
        self.assertEqual([{"bmc": "m1", "refused_logins": 0, "backed_off_seconds": 0.0}], explanation["breakers"])

    def test_unreachable_bmc_is_reported(self) -> None:
        """A failed call has its outcome, and the breaker shows for how long the BMC is not contacted."""
        conductor = self.conductor()
        node = self.enroll(conductor, power_interface="fake-bmc", faults={"get_power": {"effect": "drop"}}).uuid
        task = conductor.components.tasks.read_only(node)
        for _ in range(MAX_CONNECT_FAILURES):
            self.assertRaises(BareMetalError, task.sample_power)
        explanation = self.explain(conductor, node)
        self.assertEqual("unreachable", explanation["calls"][0]["outcome"])
        self.assertEqual("m1", explanation["calls"][0]["bmc"])
        self.assertLess(0, explanation["breakers"][0]["backed_off_seconds"])
