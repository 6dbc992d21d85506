"""The last driver calls of each node."""

from __future__ import annotations

from testtools import TestCase

from baremetal_sdk.testing import running_conductor


class TestDeletion(TestCase):
    def test_calls_of_a_deleted_node_are_dropped(self) -> None:
        """A service that creates and deletes nodes all the time keeps no calls of deleted ones."""
        with running_conductor() as conductor:
            node = conductor.rpc.call("create_node", values={"driver": "fake-hardware"}).uuid
            conductor.rpc.call("get_boot_device", node=node)
            self.assertTrue(conductor.components.recent_calls.list_for_node(node))
            conductor.rpc.call("delete_node", node=node)
            self.assertEqual([], conductor.components.recent_calls.list_for_node(node))
