"""A failure that cannot be written, because the database is away, is told by the recovery of the node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import testtools

from baremetal_sdk.errors import StoreUnavailable
from baremetal_sdk.store.memory.store import MemoryStore
from baremetal_sdk.store.records.node import Fence, NodeRecord
from baremetal_sdk.tasks.unwritten_failures import UnwrittenFailures
from baremetal_sdk.testing import settle
from tests.fixtures.machines import MachinesCase


class LeavingStore(MemoryStore):
    """A store whose database goes away when a task writes a failure, and comes back later."""

    is_away = False
    is_back = False

    def update_node(
        self, uuid: str, changes: Mapping[str, Any], *, fence: Fence | None, revision: int | None = None, release: bool = False
    ) -> NodeRecord:
        """Write changes, unless they have an error or the database is away."""
        self.is_away = self.is_away or bool(changes.get("last_error"))
        if self.is_away and not self.is_back:
            raise StoreUnavailable("the database cannot be used: it was stopped")
        return super().update_node(uuid, changes, fence=fence, revision=revision, release=release)


class TestRecovery(MachinesCase):
    def test_recovery_tells_the_failure_of_the_power_change(self) -> None:
        """The node gets the error of its BMC afterwards, and not that the conductor stopped."""
        store = LeavingStore()
        conductor = self.conductor(handed_in={"store": store})
        node = self.enroll(conductor, faults={"set_power": {"effect": "refuse", "message": "the fan is broken"}})
        conductor.rpc.call("change_power_state", node=node.uuid, target="power on", timeout=None)
        settle(conductor)
        self.assertEqual("power on", store.node(node.uuid).target_power_state)
        store.is_back = True
        conductor.components.recovery.sweep_power()
        settle(conductor)
        record = store.node(node.uuid)
        self.assertIsNone(record.target_power_state)
        self.assertIn("the fan is broken", record.last_error or "")
        self.assertNotIn("the conductor stopped", record.last_error or "")


class TestMemory(testtools.TestCase):
    def test_only_the_next_lease_gets_the_failure(self) -> None:
        """After another lease in between, the failure is out of date."""
        failures = UnwrittenFailures()
        error = StoreUnavailable("away")
        failures.remember("n1", 5, "the fan is broken", error)
        self.assertEqual("the fan is broken", failures.take("n1", 6))
        self.assertIsNone(failures.take("n1", 6))
        failures.remember("n1", 5, "the fan is broken", error)
        self.assertIsNone(failures.take("n1", 7))

    def test_failure_of_the_work_survives_that_of_a_later_write(self) -> None:
        """A write without an error of its own does not replace the reason, and an old reason does not outlive its lease."""
        failures = UnwrittenFailures()
        failures.remember("n1", 5, "the fan is broken", StoreUnavailable("away"))
        failures.remember("n1", 5, None, StoreUnavailable("still away"))
        self.assertEqual("the fan is broken", failures.take("n1", 6))
        failures.remember("n1", 8, None, StoreUnavailable("away"))
        self.assertEqual("the result could not be written: away", failures.take("n1", 9))
