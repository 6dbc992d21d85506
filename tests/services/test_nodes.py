"""Creating, changing, validating and deleting nodes through the conductor's calls."""

from __future__ import annotations

from typing import Any

from testtools import ExpectedException

from baremetal_interfaces import InvalidInput, NodeLocked
from baremetal_sdk import Conductor
from baremetal_sdk.errors import InvalidState, NodeAssociated, NodeNotFound, NodeProtected, RevisionConflict
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.testing import provision
from tests.fixtures.machines import MachinesCase


class NodesCase(MachinesCase):
    def setUp(self) -> None:
        super().setUp()
        self.made = self.conductor()

    def create(self, **values: Any) -> NodeRecord:
        record: NodeRecord = self.made.rpc.call("create_node", values={"driver": "fake-hardware", **values})
        return record

    def update(self, node: NodeRecord, **changes: Any) -> NodeRecord:
        record: NodeRecord = self.made.rpc.call("update_node", node=node.uuid, changes=changes)
        return record

    def secrets(self, conductor: Conductor, node: NodeRecord) -> Any:
        """What a driver gets to see."""
        return conductor.components.tasks.read_only(node.uuid).raw_info


class TestCreating(NodesCase):
    def test_interfaces_that_are_not_named_get_defaults(self) -> None:
        """A node that names a driver alone has an implementation of each kind."""
        node = self.create()
        self.assertEqual(("fake", "noop"), (node.power_interface, node.network_interface))

    def test_what_is_wrong_with_driver_and_interfaces_is_said_at_once(self) -> None:
        """The error names each interface that is not offered, and the node is not created."""
        error = self.assertRaises(InvalidInput, self.create, name="n", power_interface="ipmi", boot_interface="nope")
        self.assertEqual({"power_interface", "boot_interface"}, {problem.field for problem in error.problems})
        self.assertRaises(NodeNotFound, self.made.store.node, "n")

    def test_an_unknown_driver_is_wrong_input(self) -> None:
        """Clients get 400 and the names of the drivers that there are."""
        with ExpectedException(InvalidInput, "driver: there is no hardware type 'nope'; there are .*fake-hardware.*"):
            self.create(driver="nope")

    def test_driver_info_is_taken_as_it_is(self) -> None:
        """What is missing or unknown in driver_info does not keep a node from being created."""
        self.assertEqual({"anything": 1}, self.create(driver_info={"anything": 1}).driver_info)


class TestSecrets(NodesCase):
    def test_declared_and_apparent_secrets_are_masked_and_kept(self) -> None:
        """A secret is not in the record, and drivers get it all the same."""
        node = self.create(driver_info={"fake_password": "hunter2", "other_token": "t0ken", "fake_username": "joe"})
        self.assertEqual({"fake_password": "******", "other_token": "******", "fake_username": "joe"}, node.driver_info)
        self.assertNotIn("hunter2", repr(node))
        self.assertEqual(
            {"fake_password": "hunter2", "other_token": "t0ken", "fake_username": "joe"}, self.secrets(self.made, node)
        )

    def test_a_mask_that_comes_back_changes_nothing(self) -> None:
        """A client that sends back what it was shown keeps the secret, and changes what it changed."""
        node = self.create(driver_info={"fake_password": "hunter2", "fake_username": "joe"})
        self.update(node, driver_info={**node.driver_info, "fake_username": "ann"})
        self.assertEqual({"fake_password": "hunter2", "fake_username": "ann"}, self.secrets(self.made, node))

    def test_a_secret_can_be_changed_and_removed(self) -> None:
        """A new value replaces the secret; leaving it out removes it."""
        node = self.create(driver_info={"fake_password": "hunter2"})
        self.update(node, driver_info={"fake_password": "hunter3"})
        self.assertEqual("hunter3", self.secrets(self.made, node)["fake_password"])
        self.update(node, driver_info={})
        self.assertEqual({}, self.secrets(self.made, node))

    def test_a_mask_without_a_secret_is_refused(self) -> None:
        """A mask that stands for nothing is a mistake, and is named."""
        with ExpectedException(InvalidInput, "driver_info/fake_password:.*the mask of a secret, and there is none.*"):
            self.create(driver_info={"fake_password": "******"})


class TestChanging(NodesCase):
    def test_a_held_node_is_not_changed(self) -> None:
        """Nobody writes to a node that a task holds; the error says for what it is held."""
        node = self.create(name="held")
        with self.made.acquire("held", purpose="an experiment"), ExpectedException(NodeLocked, ".*an experiment.*"):
            self.update(node, description="x")

    def test_a_revision_that_is_gone_is_refused(self) -> None:
        """A client that asks for the revision it has read does not overwrite somebody else's change."""
        node = self.create()
        self.update(node, description="mine")
        with ExpectedException(RevisionConflict):
            self.made.rpc.call("update_node", node=node.uuid, changes={"description": "late"}, revision=node.revision)

    def test_another_driver_needs_interfaces_that_it_has(self) -> None:
        """The interfaces of the old driver are refused with a new one, unless they are reset to its defaults."""
        node = self.create(driver="fake-hardware")
        self.assertRaises(InvalidInput, self.update, node, boot_interface="redfish-virtual-media")
        record = self.made.rpc.call("update_node", node=node.uuid, changes={"deploy_interface": "ramdisk"}, reset_interfaces=True)
        self.assertEqual(("ramdisk", "fake"), (record.deploy_interface, record.boot_interface))

    def test_a_second_instance_is_refused(self) -> None:
        """A node that carries an instance takes no other."""
        node = self.create(instance_uuid="11111111-1111-4111-8111-111111111111")
        with ExpectedException(NodeAssociated, "instance_uuid:.*remove it first"):
            self.update(node, instance_uuid="22222222-2222-4222-8222-222222222222")

    def test_leaving_maintenance_forgets_the_fault(self) -> None:
        """A node out of maintenance has no reason and no fault."""
        node = self.create()
        self.update(node, maintenance=True, maintenance_reason="fan")
        self.made.rpc.call("set_maintenance", node=node.uuid, maintenance=False)
        record = self.made.store.node(node.uuid)
        self.assertEqual((False, None, None), (record.maintenance, record.maintenance_reason, record.fault))


class TestValidating(NodesCase):
    def test_each_kind_says_what_is_wrong(self) -> None:
        """A kind that lacks something says so; the others are right."""
        node = self.create(
            deploy_interface="ramdisk", boot_interface="ipxe", power_interface="fake-bmc", driver_info={"fake_machine": ""}
        )
        results = self.made.rpc.call("validate_node", node=node.uuid)
        self.assertFalse(results["power"]["result"])
        self.assertIn("driver_info/fake_machine", results["power"]["reason"])
        self.assertTrue(results["boot"]["result"])
        self.assertEqual(13, len(results))

    def test_an_unknown_option_is_a_warning_with_a_suggestion(self) -> None:
        """A typing error in driver_info is told, and is no failure."""
        node = self.create(driver_info={"fake_machin": "m1"})
        power = self.made.rpc.call("validate_node", node=node.uuid)["power"]
        self.assertTrue(power["result"])
        self.assertIn("did you mean fake_machine?", power["reason"])

    def test_it_asks_no_bmc(self) -> None:
        """Validation sends nothing to the machine."""
        node = self.enrol(self.made)
        self.made.rpc.call("validate_node", node=node.uuid)
        self.assertEqual([], self.machine().commands())


class TestDeleting(NodesCase):
    def test_a_node_that_is_in_use_is_not_deleted(self) -> None:
        """An active node, a protected node and one with an instance stay; the error says what to do."""
        node = self.enrol(self.made)
        provision(self.made, node.uuid, "manage", "provide", "active")
        with ExpectedException(InvalidState, ".*is 'active'; it can be deleted when it is.*"):
            self.made.rpc.call("delete_node", node=node.uuid)
        with ExpectedException(NodeAssociated, ".*undeploy it first"):
            self.made.rpc.call("delete_node", node=self.create(instance_uuid="11111111-1111-4111-8111-111111111111").uuid)
        with ExpectedException(NodeProtected, ".*unset 'protected' first"):
            self.made.rpc.call("delete_node", node=self.create(protected=True).uuid)

    def test_maintenance_lets_any_node_be_deleted(self) -> None:
        """A node in maintenance is deleted whatever its state; nothing of it is left."""
        node = self.enrol(self.made)
        provision(self.made, node.uuid, "manage", "provide", "active")
        self.made.rpc.call("set_maintenance", node=node.uuid, maintenance=True, reason="gone")
        self.made.rpc.call("delete_node", node=node.uuid)
        self.assertRaises(NodeNotFound, self.made.store.node, node.uuid)
        self.assertEqual([], self.made.components.leases.list_held())


class TestManagement(NodesCase):
    def test_a_boot_device_is_set_and_read_at_the_machine(self) -> None:
        """What is set is what the machine says."""
        node = self.enrol(self.made)
        self.made.rpc.call("set_boot_device", node=node.uuid, device="pxe", persistent=True)
        self.assertEqual({"boot_device": "pxe", "persistent": True}, self.made.rpc.call("get_boot_device", node=node.uuid))

    def test_a_device_that_there_is_not_is_refused_with_those_there_are(self) -> None:
        """Both an unknown device and one that this machine lacks name what can be set."""
        node = self.enrol(self.made)
        with ExpectedException(InvalidInput, "boot_device: 'tape' is not known; it has to be one of pxe.*"):
            self.made.rpc.call("set_boot_device", node=node.uuid, device="tape", persistent=False)

    def test_boot_mode_and_secure_boot_end_up_on_the_node(self) -> None:
        """After the machine has taken them, the node shows them."""
        node = self.enrol(self.made)
        self.made.rpc.call("set_boot_mode", node=node.uuid, mode="uefi")
        self.assertTrue(self.made.pool.drain(10.0))
        self.made.rpc.call("set_secure_boot", node=node.uuid, enabled=True)
        self.assertTrue(self.made.pool.drain(10.0))
        record = self.made.store.node(node.uuid)
        self.assertEqual(("uefi", True), (record.boot_mode, record.secure_boot))
