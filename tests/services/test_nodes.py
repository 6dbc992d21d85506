"""Creation, changes, validation and deletion of nodes by RPC."""

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
        self.runtime = self.conductor()

    def create(self, **values: Any) -> NodeRecord:
        record: NodeRecord = self.runtime.rpc.call("create_node", values={"driver": "fake-hardware", **values})
        return record

    def update(self, node: NodeRecord, **changes: Any) -> NodeRecord:
        record: NodeRecord = self.runtime.rpc.call("update_node", node=node.uuid, changes=changes)
        return record

    def secrets(self, conductor: Conductor, node: NodeRecord) -> Any:
        """Return driver_info as a driver sees it."""
        return conductor.components.tasks.read_only(node.uuid).raw_info


class TestCreating(NodesCase):
    def test_unnamed_interfaces_get_defaults(self) -> None:
        """A node that names only a driver gets an implementation of each interface kind."""
        node = self.create()
        self.assertEqual("fake", node.power_interface)
        self.assertEqual("noop", node.network_interface)

    def test_all_wrong_interfaces_are_reported_together(self) -> None:
        """One error names each interface that the driver does not offer, and the node is not created."""
        error = self.assertRaises(InvalidInput, self.create, name="n", power_interface="ipmi", boot_interface="nope")
        self.assertEqual({"power_interface", "boot_interface"}, {problem.field for problem in error.problems})
        self.assertRaises(NodeNotFound, self.runtime.store.node, "n")

    def test_unknown_driver_is_invalid_input(self) -> None:
        """The error is InvalidInput and lists the available drivers."""
        with ExpectedException(InvalidInput, "driver: unknown hardware type 'nope'; available: .*fake-hardware.*"):
            self.create(driver="nope")

    def test_driver_info_is_not_validated(self) -> None:
        """A node can be created with missing or unknown options in driver_info."""
        self.assertEqual({"anything": 1}, self.create(driver_info={"anything": 1}).driver_info)


class TestSharedMachines(NodesCase):
    def read_reason(self, node: NodeRecord) -> str:
        """Return the reason of the result for the power interface, which has to be positive."""
        result = self.runtime.rpc.call("validate_node", node=node.uuid)["power"]
        self.assertTrue(result["result"])
        return str(result["reason"] or "")

    def test_second_node_of_a_machine_is_reported(self) -> None:
        """A validation names other nodes with the same BMC and system, and not those of other systems."""
        info = {"redfish_address": "https://bmc.example", "redfish_system_id": "1"}
        first = self.create(name="first", driver="redfish", driver_info=info)
        self.assertEqual("", self.read_reason(first))
        self.create(name="neighbor", driver="redfish", driver_info={**info, "redfish_system_id": "2"})
        second = self.create(name="second", driver="redfish", driver_info={**info, "redfish_address": "BMC.example"})
        self.assertIn("node second manages the same machine, bmc.example /redfish/v1/Systems/1", self.read_reason(first))
        self.assertIn("node first manages the same machine", self.read_reason(second))
        self.assertNotIn("neighbor", self.read_reason(second))

    def test_node_of_another_owner_is_not_named(self) -> None:
        """A validation does not show the names of nodes that belong to others."""
        info = {"redfish_address": "https://bmc.example"}
        self.create(name="theirs", driver="redfish", driver_info=info, owner="them")
        reason = self.read_reason(self.create(name="ours", driver="redfish", driver_info=info, owner="us"))
        self.assertIn("a node of another owner manages the same machine", reason)
        self.assertNotIn("theirs", reason)


class TestSecrets(NodesCase):
    def test_secrets_are_masked_and_sealed(self) -> None:
        """Declared and apparent secrets are masked in the record, and drivers get their values."""
        node = self.create(driver_info={"fake_password": "hunter2", "other_token": "t0ken", "fake_username": "joe"})
        self.assertEqual({"fake_password": "******", "other_token": "******", "fake_username": "joe"}, node.driver_info)
        self.assertNotIn("hunter2", repr(node))
        self.assertEqual(
            {"fake_password": "hunter2", "other_token": "t0ken", "fake_username": "joe"}, self.secrets(self.runtime, node)
        )

    def test_returned_mask_preserves_the_secret(self) -> None:
        """A client that sends the mask back preserves the secret and can change other options."""
        node = self.create(driver_info={"fake_password": "hunter2", "fake_username": "joe"})
        self.update(node, driver_info={**node.driver_info, "fake_username": "ann"})
        self.assertEqual({"fake_password": "hunter2", "fake_username": "ann"}, self.secrets(self.runtime, node))

    def test_secret_can_be_changed_and_removed(self) -> None:
        """A new value replaces the secret, and an update without it removes it."""
        node = self.create(driver_info={"fake_password": "hunter2"})
        self.update(node, driver_info={"fake_password": "hunter3"})
        self.assertEqual("hunter3", self.secrets(self.runtime, node)["fake_password"])
        self.update(node, driver_info={})
        self.assertEqual({}, self.secrets(self.runtime, node))

    def test_mask_without_a_secret_is_refused(self) -> None:
        """A mask for which no secret is stored is refused with the name of its option."""
        with ExpectedException(InvalidInput, "driver_info/fake_password:.*stands for a stored secret, and none is stored.*"):
            self.create(driver_info={"fake_password": "******"})


class TestChanging(NodesCase):
    def test_held_node_cannot_change(self) -> None:
        """An update of a held node fails with the purpose of the lease."""
        node = self.create(name="held")
        with self.runtime.acquire("held", purpose="an experiment"), ExpectedException(NodeLocked, ".*an experiment.*"):
            self.update(node, description="x")

    def test_stale_revision_is_refused(self) -> None:
        """An update with an old revision fails and does not overwrite the change of another client."""
        node = self.create()
        self.update(node, description="mine")
        with ExpectedException(RevisionConflict):
            self.runtime.rpc.call("update_node", node=node.uuid, changes={"description": "late"}, revision=node.revision)

    def test_new_driver_needs_its_own_interfaces(self) -> None:
        """Interfaces that the driver does not offer are refused, and reset_interfaces sets its defaults."""
        node = self.create(driver="fake-hardware")
        self.assertRaises(InvalidInput, self.update, node, boot_interface="redfish-virtual-media")
        changes = {"driver": "redfish", "deploy_interface": "ramdisk"}
        self.assertRaises(InvalidInput, self.update, node, **changes)
        record = self.runtime.rpc.call("update_node", node=node.uuid, changes=changes, reset_interfaces=True)
        self.assertEqual("ramdisk", record.deploy_interface)
        self.assertEqual("redfish", record.power_interface)

    def test_reset_of_interfaces_needs_a_new_driver(self) -> None:
        """A reset without a driver is refused, and with the present driver it keeps the interfaces, as in Ironic."""
        node = self.create(driver="fake-hardware", deploy_interface="ramdisk")
        for changes in ({}, {"description": "x"}, {"boot_interface": "fake"}):
            with ExpectedException(InvalidInput, "reset_interfaces: is only allowed if the driver changes"):
                self.runtime.rpc.call("update_node", node=node.uuid, changes=changes, reset_interfaces=True)
        record = self.runtime.rpc.call("update_node", node=node.uuid, changes={"driver": "fake-hardware"}, reset_interfaces=True)
        self.assertEqual("ramdisk", record.deploy_interface)

    def test_second_instance_is_refused(self) -> None:
        """A node that has an instance refuses another one."""
        node = self.create(instance_uuid="11111111-1111-4111-8111-111111111111")
        with ExpectedException(NodeAssociated, "instance_uuid:.*remove that association first"):
            self.update(node, instance_uuid="22222222-2222-4222-8222-222222222222")

    def test_end_of_maintenance_clears_the_fault(self) -> None:
        """The end of maintenance clears its reason and the fault."""
        node = self.create()
        self.update(node, maintenance=True, maintenance_reason="fan")
        self.runtime.rpc.call("set_maintenance", node=node.uuid, maintenance=False)
        record = self.runtime.store.node(node.uuid)
        self.assertIs(False, record.maintenance)
        self.assertIsNone(record.maintenance_reason)
        self.assertIsNone(record.fault)


class TestValidating(NodesCase):
    def test_each_interface_reports_its_problems(self) -> None:
        """An interface with a problem reports it, and the other interfaces are valid."""
        node = self.create(
            deploy_interface="ramdisk", boot_interface="ipxe", power_interface="fake-bmc", driver_info={"fake_machine": ""}
        )
        results = self.runtime.rpc.call("validate_node", node=node.uuid)
        self.assertFalse(results["power"]["result"])
        self.assertIn("driver_info/fake_machine", results["power"]["reason"])
        self.assertTrue(results["boot"]["result"])
        self.assertEqual(13, len(results))

    def test_unknown_option_is_a_warning_with_a_suggestion(self) -> None:
        """An option that no interface reads is a warning with the most similar option, and the result stays positive."""
        node = self.create(driver_info={"fake_machin": "m1"})
        power = self.runtime.rpc.call("validate_node", node=node.uuid)["power"]
        self.assertTrue(power["result"])
        self.assertIn("did you mean fake_machine?", power["reason"])

    def test_validation_sends_nothing_to_the_bmc(self) -> None:
        """Validation of a node sends nothing to its machine."""
        node = self.enroll(self.runtime)
        self.runtime.rpc.call("validate_node", node=node.uuid)
        self.assertEqual([], self.machine().commands())


class TestDeleting(NodesCase):
    def test_node_in_use_cannot_be_deleted(self) -> None:
        """An active node, a protected node and a node with an instance cannot be deleted, and the error has the remedy."""
        node = self.enroll(self.runtime)
        provision(self.runtime, node.uuid, "manage", "provide", "active")
        with ExpectedException(InvalidState, ".*is 'active'; it can be deleted when it is.*"):
            self.runtime.rpc.call("delete_node", node=node.uuid)
        with ExpectedException(NodeAssociated, ".*undeploy it first"):
            self.runtime.rpc.call("delete_node", node=self.create(instance_uuid="11111111-1111-4111-8111-111111111111").uuid)
        with ExpectedException(NodeProtected, ".*unset 'protected' first"):
            self.runtime.rpc.call("delete_node", node=self.create(protected=True).uuid)

    def test_node_in_maintenance_can_be_deleted(self) -> None:
        """A node in maintenance can be deleted in any state, and its lease ends with it."""
        node = self.enroll(self.runtime)
        provision(self.runtime, node.uuid, "manage", "provide", "active")
        self.runtime.rpc.call("set_maintenance", node=node.uuid, maintenance=True, reason="gone")
        self.runtime.rpc.call("delete_node", node=node.uuid)
        self.assertRaises(NodeNotFound, self.runtime.store.node, node.uuid)
        self.assertEqual([], self.runtime.components.leases.list_held())


class TestManagement(NodesCase):
    def test_boot_device_is_set_on_the_machine(self) -> None:
        """A boot device that was set is read back from the machine."""
        node = self.enroll(self.runtime)
        self.runtime.rpc.call("set_boot_device", node=node.uuid, device="pxe", persistent=True)
        self.assertEqual({"boot_device": "pxe", "persistent": True}, self.runtime.rpc.call("get_boot_device", node=node.uuid))

    def test_unknown_boot_device_is_refused(self) -> None:
        """The error for an unknown boot device lists the known ones."""
        node = self.enroll(self.runtime)
        with ExpectedException(InvalidInput, "boot_device: 'tape' is not known; it has to be one of pxe.*"):
            self.runtime.rpc.call("set_boot_device", node=node.uuid, device="tape", persistent=False)

    def test_node_shows_boot_mode_and_secure_boot(self) -> None:
        """The node shows the boot mode and secure boot after the machine has accepted them."""
        node = self.enroll(self.runtime)
        self.runtime.rpc.call("set_boot_mode", node=node.uuid, mode="uefi")
        self.assertTrue(self.runtime.pool.drain(10.0))
        self.runtime.rpc.call("set_secure_boot", node=node.uuid, enabled=True)
        self.assertTrue(self.runtime.pool.drain(10.0))
        record = self.runtime.store.node(node.uuid)
        self.assertEqual("uefi", record.boot_mode)
        self.assertIs(True, record.secure_boot)
