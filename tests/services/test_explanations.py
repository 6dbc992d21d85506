"""What a conductor tells of the BMC of a node."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import BareMetalError
from baremetal_sdk import Conductor
from baremetal_sdk.bmc.breakers import MAX_CONNECT_FAILURES
from baremetal_sdk.testing import provision
from tests.fixtures.machines import MachinesCase


class TestExplanations(MachinesCase):
    """``explain_node``."""

    def told(self, conductor: Conductor, node: str) -> dict[str, Any]:
        """What is told of a node now."""
        known: dict[str, Any] = conductor.rpc.call("explain_node", node=node)
        return known

    def test_the_last_calls_are_told_with_their_outcomes(self) -> None:
        """The calls of its driver are known with their BMC, the newest first; checks of what is stored are not among them."""
        conductor = self.conductor()
        node = self.enrol(conductor, power_interface="fake-bmc").uuid
        self.assertEqual([], self.told(conductor, node)["calls"])
        provision(conductor, node, "manage")
        told = self.told(conductor, node)
        self.assertIn(
            ("power", "get_power_state", "m1"), [(call["interface"], call["method"], call["bmc"]) for call in told["calls"]]
        )
        self.assertEqual({"succeeded"}, {call["outcome"] for call in told["calls"]})
        self.assertNotIn("validate", [call["method"] for call in told["calls"]])
        ended = [call["ended_at"] for call in told["calls"]]
        self.assertEqual(sorted(ended, reverse=True), ended)
        self.assertEqual([{"bmc": "m1", "refused_logins": 0, "backed_off_seconds": 0.0}], told["breakers"])

    def test_a_bmc_that_is_away_is_told_of(self) -> None:
        """Calls that ended badly say how, and the breaker says that the BMC is not asked for a while."""
        conductor = self.conductor()
        node = self.enrol(conductor, power_interface="fake-bmc", faults={"get_power": {"effect": "drop"}}).uuid
        task = conductor.components.tasks.read_only(node)
        for _ in range(MAX_CONNECT_FAILURES):
            self.assertRaises(BareMetalError, task.sample_power)
        told = self.told(conductor, node)
        self.assertEqual(("unreachable", "m1"), (told["calls"][0]["outcome"], told["calls"][0]["bmc"]))
        self.assertLess(0, told["breakers"][0]["backed_off_seconds"])
