"""Provisioning of simulated machines by RPC."""

from __future__ import annotations

import uuid

from testtools import ExpectedException

from baremetal_fake.interfaces.deploy import FakeDeploy
from baremetal_fake.machine import Power
from baremetal_interfaces import InvalidInput, Kind, Phase, Task, Wait, step
from baremetal_sdk import Conductor
from baremetal_sdk.drivers.loader import Plugins, discover
from baremetal_sdk.errors import InvalidStateRequested, NodeInMaintenance, NodeProtected
from baremetal_sdk.store.records.node import PortRecord
from baremetal_sdk.store.records.query import Query
from baremetal_sdk.testing import provision, settle, wait_for
from tests.fixtures.machines import MachinesCase


class WaitingDeploy(FakeDeploy):
    """A deploy interface that waits for an event, and offers a network image until its clean-up."""

    @step(phase=Phase.DEPLOY, priority=100)
    def deploy(self, task: Task) -> Wait:  # type: ignore[override]
        """Offer the image and wait for an event."""
        with self.bmc(task) as bmc:
            bmc.machine.network_image = "fake://kept"
        return Wait()

    def clean_up(self, task: Task) -> None:
        """Withdraw the image."""
        with self.bmc(task) as bmc:
            bmc.machine.network_image = None


class PreparedCleaning(FakeDeploy):
    """A deploy interface that offers a network image from the preparation of a cleaning to its tear-down."""

    def prepare_cleaning(self, task: Task) -> None:
        """Offer the image."""
        with self.bmc(task) as bmc:
            bmc.machine.network_image = "fake://kept"

    def tear_down_cleaning(self, task: Task) -> None:
        """Withdraw the image."""
        with self.bmc(task) as bmc:
            bmc.machine.network_image = None


def plugins_with_waiting_deploy(deploy: type[FakeDeploy] = WaitingDeploy) -> Plugins:
    """Return the installed plugins with a waiting deploy interface, or *deploy*, instead of the fake one."""
    found = discover()
    found.interfaces[Kind.DEPLOY]["fake"] = deploy
    return found


class TestLifecycle(MachinesCase):
    def test_machine_is_deployed_and_torn_down(self) -> None:
        """Each verb ends in its documented state, and the machine has the power state that the node shows."""
        conductor = self.conductor()
        node = self.enroll(conductor)
        for verb, state in (("manage", "manageable"), ("inspect", "manageable"), ("provide", "available"), ("active", "active")):
            record = provision(conductor, node.uuid, verb)
            self.assertEqual(state, record.provision_state)
            self.assertIsNone(record.target_provision_state)
            self.assertIsNone(record.last_error)
        self.assertEqual(Power.ON, self.machine().power)
        self.assertEqual("power on", record.power_state)
        record = provision(conductor, node.uuid, "deleted")
        self.assertEqual("available", record.provision_state)
        self.assertEqual("power off", record.power_state)
        self.assertEqual(Power.OFF, self.machine().power)

    def test_unknown_power_fails_verifying(self) -> None:
        """If the BMC does not report the power, the node returns to enroll with the reason, and its power is unknown."""
        conductor = self.conductor()
        node = self.enroll(conductor, faults={"get_power": {"effect": "wrong"}})
        record = provision(conductor, node.uuid, "manage")
        self.assertEqual("enroll", record.provision_state)
        self.assertIsNone(record.power_state)
        self.assertIn("verifying: ", record.last_error or "")
        self.assertIsNotNone(record.power_observed_at)

    def test_inspection_sets_properties_and_ports(self) -> None:
        """Inspection results are on the node, and two inspections create one port for each network interface."""
        conductor = self.conductor()
        node = self.enroll(conductor)
        record = provision(conductor, node.uuid, "manage", "inspect", "inspect")
        inventory = self.machine().inventory
        self.assertEqual(inventory.memory_mb, record.properties["memory_mb"])
        ports = conductor.store.ports(Query(where={"node_uuid": node.uuid}))
        self.assertEqual(sorted(nic.mac for nic in inventory.nics), sorted(port.address for port in ports))

    def test_address_of_another_node_is_left_out(self) -> None:
        """An inspection leaves out the port whose address another node has, and finishes with the others."""
        conductor = self.conductor()
        node, other = self.enroll(conductor), self.enroll(conductor, "m2")
        nics = self.machine().inventory.nics
        conductor.store.create_port(PortRecord(uuid=str(uuid.uuid4()), node_uuid=other.uuid, address=nics[0].mac), fence=None)
        record = provision(conductor, node.uuid, "manage", "inspect")
        self.assertEqual(("manageable", None), (record.provision_state, record.last_error))
        ports = conductor.store.ports(Query(where={"node_uuid": node.uuid}))
        self.assertEqual([nic.mac for nic in nics[1:]], [port.address for port in ports])
        self.assertEqual(other.uuid, conductor.store.port(nics[0].mac).node_uuid)

    def test_rebuild_deploys_again(self) -> None:
        """A rebuild of an active node runs the deploy steps again and ends in active."""
        conductor = self.conductor()
        node = self.enroll(conductor)
        record = provision(conductor, node.uuid, "manage", "provide", "active", "rebuild")
        self.assertEqual("active", record.provision_state)
        self.assertEqual(2, len(self.machine().commands("write_image")))

    def test_adopt_does_not_change_the_machine(self) -> None:
        """An adopted node is active, and its machine received no power command."""
        conductor = self.conductor()
        node = self.enroll(conductor)
        record = provision(conductor, node.uuid, "manage", "adopt")
        self.assertEqual("active", record.provision_state)
        self.assertEqual([], self.machine().commands("set_power"))

    def test_tear_down_removes_the_instance(self) -> None:
        """After undeploy, the node has neither an instance nor instance_info."""
        conductor = self.conductor()
        node = self.enroll(conductor)
        provision(conductor, node.uuid, "manage", "provide")
        conductor.rpc.call(
            "update_node",
            node=node.uuid,
            changes={"instance_info": {"image_source": "x"}, "instance_uuid": "11111111-1111-4111-8111-111111111111"},
        )
        record = provision(conductor, node.uuid, "active", "undeploy")
        self.assertIsNone(record.instance_uuid)
        self.assertEqual({}, record.instance_info)

    def test_automated_cleaning_without_an_agent_is_refused(self) -> None:
        """A node that only an agent can clean does not become available as if it were clean, before and after an instance."""
        conductor = self.conductor()
        for name in ("direct", "custom-agent"):
            node = self.enroll(conductor, name, deploy_interface=name)
            provision(conductor, node.uuid, "manage")
            with ExpectedException(InvalidInput, f"deploy_interface: automated cleaning with '{name}'.*automated_clean=false"):
                conductor.rpc.call("change_provision_state", node=node.uuid, verb="provide")
            self.assertEqual("manageable", conductor.store.node(node.uuid).provision_state)
            record = provision(conductor, node.uuid, "adopt", "undeploy")
            self.assertEqual("clean failed", record.provision_state)
            self.assertIn("automated_clean=false", record.last_error or "")
            conductor.rpc.call("update_node", node=node.uuid, changes={"automated_clean": False})
            record = provision(conductor, node.uuid, "manage", "provide")
            self.assertEqual("available", record.provision_state)

    def test_cleaning_without_automatic_steps_is_no_error(self) -> None:
        """Metal3 sets automated_clean=true on each node. Only deploy interfaces that need an agent refuse it."""
        conductor = self.conductor()
        for name, deploy in (("m2", "ramdisk"), ("m3", "fake")):
            node = self.enroll(conductor, name, deploy_interface=deploy, automated_clean=True)
            record = provision(conductor, node.uuid, "manage", "provide")
            self.assertEqual(("available", None), (record.provision_state, record.last_error))
            record = provision(conductor, node.uuid, "manage", "adopt", "undeploy")
            self.assertEqual(("available", None), (record.provision_state, record.last_error))

    def test_manual_cleaning_needs_no_agent(self) -> None:
        """Steps that the BMC does run with each deploy interface."""
        conductor = self.conductor()
        node = self.enroll(conductor, deploy_interface="direct")
        provision(conductor, node.uuid, "manage")
        steps = [{"interface": "bios", "step": "factory_reset"}]
        conductor.rpc.call("change_provision_state", node=node.uuid, verb="clean", arguments={"clean_steps": steps})
        record = wait_for(conductor, node.uuid, "manageable")
        self.assertIsNone(record.last_error)

    def test_automated_cleaning_can_be_disabled(self) -> None:
        """With automated_clean disabled, a node becomes available without clean steps."""
        conductor = self.conductor(automated_clean=False)
        node = self.enroll(conductor)
        record = provision(conductor, node.uuid, "manage", "provide")
        self.assertEqual("available", record.provision_state)
        self.assertEqual([], self.machine().commands("erase_devices_metadata"))


class TestRefusedVerbs(MachinesCase):
    def test_forbidden_verb_is_refused_with_the_allowed_ones(self) -> None:
        """The error has the state and the verbs that it allows, and the node does not change."""
        conductor = self.conductor()
        node = self.enroll(conductor)
        with ExpectedException(InvalidStateRequested, ".*'provide' cannot be done while.*'enroll'; allowed now: manage"):
            conductor.rpc.call("change_provision_state", node=node.uuid, verb="provide")
        record = conductor.store.node(node.uuid)
        self.assertEqual("enroll", record.provision_state)
        self.assertIsNone(record.lease_holder)

    def test_unknown_verb_is_refused(self) -> None:
        """The error for an unknown verb lists all verbs."""
        conductor = self.conductor()
        node = self.enroll(conductor)
        with ExpectedException(InvalidInput, ".*'fly' is not known; it has to be one of abort, active.*"):
            conductor.rpc.call("change_provision_state", node=node.uuid, verb="fly")

    def test_manage_reports_all_problems_of_driver_info(self) -> None:
        """All problems are in one error, and the node is unchanged: ``last_error`` is for work that was accepted."""
        conductor = self.conductor()
        node = self.enroll(
            conductor,
            faults={"set_power": {"effect": "nonsense"}},
            power_interface="fake-bmc",
            driver_info={"fake_machine": None},
        )
        before = conductor.store.node(node.uuid)
        error = self.assertRaises(InvalidInput, conductor.rpc.call, "change_provision_state", node=node.uuid, verb="manage")
        self.assertIn("driver_info/fake_machine", str(error))
        after = conductor.store.node(node.uuid)
        self.assertEqual(before.revision, after.revision)
        self.assertIsNone(after.last_error)

    def test_node_in_maintenance_cannot_be_deployed(self) -> None:
        """A node in maintenance refuses a deployment, and the error has the remedy."""
        conductor = self.conductor()
        node = self.enroll(conductor)
        provision(conductor, node.uuid, "manage", "provide")
        conductor.rpc.call("set_maintenance", node=node.uuid, maintenance=True, reason="fan")
        with ExpectedException(NodeInMaintenance, ".*needs it out of maintenance"):
            conductor.rpc.call("change_provision_state", node=node.uuid, verb="active")

    def test_protected_node_cannot_be_torn_down(self) -> None:
        """A protected node refuses the verbs deleted and rebuild."""
        conductor = self.conductor()
        node = self.enroll(conductor)
        provision(conductor, node.uuid, "manage", "provide", "active")
        conductor.rpc.call("update_node", node=node.uuid, changes={"protected": True})
        for verb in ("deleted", "rebuild"):
            self.assertRaises(NodeProtected, conductor.rpc.call, "change_provision_state", node=node.uuid, verb=verb)

    def test_deploy_interface_that_needs_an_agent_is_refused(self) -> None:
        """A deploy interface that needs an agent can be selected, but a deployment with it is refused."""
        conductor = self.conductor()
        node = self.enroll(conductor, deploy_interface="direct", automated_clean=False)
        provision(conductor, node.uuid, "manage", "provide")
        with ExpectedException(InvalidInput, ".*needs an agent.*"):
            conductor.rpc.call("change_provision_state", node=node.uuid, verb="active")
        self.assertEqual("available", conductor.store.node(node.uuid).provision_state)


class TestFailures(MachinesCase):
    def test_unreachable_machine_stays_enrolled(self) -> None:
        """If the BMC is unreachable, manage ends in enroll with the reason."""
        conductor = self.conductor()
        node = self.enroll(conductor, faults={"get_power": {"effect": "drop"}})
        record = provision(conductor, node.uuid, "manage")
        self.assertEqual("enroll", record.provision_state)
        self.assertIn("verifying", record.last_error or "")

    def test_failed_deployment_has_its_reason_and_the_true_power(self) -> None:
        """After a failed deploy step, the node is 'deploy failed' with the reason and its true power, and has no run or lease."""
        conductor = self.conductor()
        node = self.enroll(conductor, faults={"write_image": {"effect": "refuse", "message": "disk on fire"}})
        record = provision(conductor, node.uuid, "manage", "provide", "active")
        self.assertEqual("deploy failed", record.provision_state)
        self.assertEqual("active", record.target_provision_state)
        self.assertIn("disk on fire", record.last_error or "")
        self.assertIsNone(record.run_id)
        self.assertEqual({}, record.deploy_step)
        self.assertIsNone(record.lease_holder)
        self.assertEqual("power off", record.power_state)

    def test_failed_deployment_can_be_repeated(self) -> None:
        """A deployment that failed can succeed the next time."""
        conductor = self.conductor()
        node = self.enroll(conductor, faults={"write_image": {"effect": "refuse", "times": 1}})
        provision(conductor, node.uuid, "manage", "provide", "active")
        record = provision(conductor, node.uuid, "active")
        self.assertEqual("active", record.provision_state)
        self.assertIsNone(record.last_error)

    def test_abort_of_a_waiting_deployment_cleans_up(self) -> None:
        """The abort of a waiting deployment frees what its deploy interface keeps for it."""
        conductor = self.conductor(handed_in={"plugins": plugins_with_waiting_deploy()})
        node = self.enroll(conductor)
        record = provision(conductor, node.uuid, "manage", "provide", "active")
        self.assertEqual("wait call-back", record.provision_state)
        self.assertEqual("fake://kept", self.machine().network_image)
        record = provision(conductor, node.uuid, "abort")
        self.assertEqual("deploy failed", record.provision_state)
        self.assertIsNone(self.machine().network_image)

    def test_cleaning_that_fails_or_is_aborted_is_torn_down(self) -> None:
        """The deploy interface frees what it prepared for a cleaning, no matter how the cleaning ends."""
        conductor = self.conductor(handed_in={"plugins": plugins_with_waiting_deploy(PreparedCleaning)})
        failing = self.enroll(conductor, "m1", faults={"erase_devices": {"effect": "refuse"}})
        waiting = self.enroll(conductor, "m2")
        for node, step_name, end in ((failing, "erase_devices", "clean failed"), (waiting, "wait_for_event", "clean wait")):
            provision(conductor, node.uuid, "manage")
            steps = {"clean_steps": [{"interface": "deploy", "step": step_name}]}
            conductor.rpc.call("change_provision_state", node=node.uuid, verb="clean", arguments=steps)
            settle(conductor)
            self.assertEqual(end, conductor.store.node(node.uuid).provision_state)
        self.assertIsNone(self.machine("m1").network_image)
        self.assertEqual("fake://kept", self.machine("m2").network_image)
        self.assertEqual("clean failed", provision(conductor, waiting.uuid, "abort").provision_state)
        self.assertIsNone(self.machine("m2").network_image)

    def test_failed_cleaning_sets_maintenance_until_manage(self) -> None:
        """A failed cleaning sets maintenance and a fault, and manage clears both."""
        conductor = self.conductor()
        node = self.enroll(conductor, faults={"erase_devices_metadata": {"effect": "refuse", "times": 1}})
        record = provision(conductor, node.uuid, "manage", "provide")
        self.assertEqual("clean failed", record.provision_state)
        self.assertIs(True, record.maintenance)
        self.assertEqual("clean failure", record.fault)
        record = provision(conductor, node.uuid, "manage")
        self.assertEqual("manageable", record.provision_state)
        self.assertIs(False, record.maintenance)
        self.assertIsNone(record.fault)

    def test_lost_power_command_fails_the_deployment(self) -> None:
        """A deployment whose power command is lost fails at the timeout for power changes."""
        conductor = self.conductor(power_state_change_timeout=0.2)
        node = self.enroll(conductor, faults={"set_power": {"effect": "lose"}})
        record = provision(conductor, node.uuid, "manage", "provide", "active")
        self.assertEqual("deploy failed", record.provision_state)
        self.assertEqual("power off", record.power_state)


class TestSteps(MachinesCase):
    def clean(self, node: str, conductor: Conductor, **step: object) -> None:
        entry = {"interface": "deploy", **step}
        conductor.rpc.call("change_provision_state", node=node, verb="clean", arguments={"clean_steps": [entry]})
        settle(conductor)

    def test_waiting_step_is_polled(self) -> None:
        """A waiting step releases the node, and the run continues after a poll says that the step is done."""
        conductor = self.conductor()
        node = self.enroll(conductor)
        provision(conductor, node.uuid, "manage")
        self.clean(node.uuid, conductor, step="burnin", args={"seconds": 0.2})
        record = conductor.store.node(node.uuid)
        self.assertEqual("clean wait", record.provision_state)
        self.assertIsNone(record.lease_holder)
        self.assertEqual({}, wait_for(conductor, node.uuid, "manageable").clean_step)

    def test_step_that_waits_for_an_event_can_be_aborted(self) -> None:
        """An abort of the wait ends in 'clean failed' and removes the run."""
        conductor = self.conductor()
        node = self.enroll(conductor)
        provision(conductor, node.uuid, "manage")
        self.clean(node.uuid, conductor, step="wait_for_event")
        record = provision(conductor, node.uuid, "abort")
        self.assertEqual("clean failed", record.provision_state)
        self.assertIsNone(record.run_id)

    def test_unknown_steps_and_arguments_are_reported_together(self) -> None:
        """One error names an unknown step and an unknown argument."""
        conductor = self.conductor()
        node = self.enroll(conductor)
        provision(conductor, node.uuid, "manage")
        error = self.assertRaises(
            InvalidInput,
            conductor.rpc.call,
            "change_provision_state",
            node=node.uuid,
            verb="clean",
            arguments={
                "clean_steps": [
                    {"interface": "deploy", "step": "fly"},
                    {"interface": "deploy", "step": "burnin", "args": {"x": 1}},
                ]
            },
        )
        self.assertIn("clean_steps/0", str(error))
        self.assertIn("clean_steps/1/args/x", str(error))
        self.assertEqual("manageable", conductor.store.node(node.uuid).provision_state)
