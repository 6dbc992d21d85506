"""Provisioning of simulated machines, through the conductor's calls."""

from __future__ import annotations

from testtools import ExpectedException

from baremetal_fake.interfaces.deploy import FakeDeploy
from baremetal_fake.machine import Power
from baremetal_interfaces import InvalidInput, Kind, Phase, Task, Wait, step
from baremetal_sdk import Conductor
from baremetal_sdk.drivers.loader import Plugins, discover
from baremetal_sdk.errors import InvalidStateRequested, NodeInMaintenance, NodeProtected
from baremetal_sdk.store.records.query import Query
from baremetal_sdk.testing import provision, settle, wait_for
from tests.fixtures.machines import MachinesCase


class WaitingDeploy(FakeDeploy):
    """Waits for an event, and keeps a network image for the machine until it is cleaned up."""

    @step(phase=Phase.DEPLOY, priority=100)
    def deploy(self, task: Task) -> Wait:  # type: ignore[override]
        """Offer the image, and wait."""
        with self.bmc(task) as bmc:
            bmc.machine.network_image = "fake://kept"
        return Wait()

    def clean_up(self, task: Task) -> None:
        """Offer it no more."""
        with self.bmc(task) as bmc:
            bmc.machine.network_image = None


def waiting_deploys() -> Plugins:
    """What is installed, with a deploy interface that waits in place of the fake one."""
    found = discover()
    found.interfaces[Kind.DEPLOY]["fake"] = WaitingDeploy
    return found


class TestTheWay(MachinesCase):
    def test_a_machine_goes_from_unknown_to_deployed_and_back(self) -> None:
        """Each verb ends in the state that clients know, and the machine itself is in the state that the node claims."""
        conductor = self.conductor()
        node = self.enrol(conductor)
        for verb, state in (("manage", "manageable"), ("inspect", "manageable"), ("provide", "available"), ("active", "active")):
            record = provision(conductor, node.uuid, verb)
            self.assertEqual((state, None, None), (record.provision_state, record.target_provision_state, record.last_error))
        self.assertEqual((Power.ON, "power on"), (self.machine().power, record.power_state))
        record = provision(conductor, node.uuid, "deleted")
        self.assertEqual(("available", "power off"), (record.provision_state, record.power_state))
        self.assertEqual(Power.OFF, self.machine().power)

    def test_what_was_seen_of_a_machine_is_kept_where_its_power_is_unknown(self) -> None:
        """A node whose BMC says nothing of the power goes back, with the reason, and its power is unknown since that look."""
        conductor = self.conductor()
        node = self.enrol(conductor, faults={"get_power": {"effect": "wrong"}})
        record = provision(conductor, node.uuid, "manage")
        self.assertEqual(("enroll", None), (record.provision_state, record.power_state))
        self.assertIn("verifying: ", record.last_error or "")
        self.assertIsNotNone(record.power_observed_at)

    def test_an_inspection_fills_properties_and_ports(self) -> None:
        """What an inspection finds is on the node, and each network interface is a port, once."""
        conductor = self.conductor()
        node = self.enrol(conductor)
        record = provision(conductor, node.uuid, "manage", "inspect", "inspect")
        inventory = self.machine().inventory
        self.assertEqual(inventory.memory_mb, record.properties["memory_mb"])
        ports = conductor.store.ports(Query(where={"node_uuid": node.uuid}))
        self.assertEqual(sorted(nic.mac for nic in inventory.nics), sorted(port.address for port in ports))

    def test_a_rebuild_deploys_again(self) -> None:
        """A rebuild of an active node runs the deploy steps once more and ends active."""
        conductor = self.conductor()
        node = self.enrol(conductor)
        record = provision(conductor, node.uuid, "manage", "provide", "active", "rebuild")
        self.assertEqual("active", record.provision_state)
        self.assertEqual(2, len(self.machine().commands("write_image")))

    def test_adopt_takes_a_machine_as_it_is(self) -> None:
        """An adopted machine is active and was not told anything."""
        conductor = self.conductor()
        node = self.enrol(conductor)
        record = provision(conductor, node.uuid, "manage", "adopt")
        self.assertEqual("active", record.provision_state)
        self.assertEqual([], self.machine().commands("set_power"))

    def test_nothing_is_left_of_the_instance(self) -> None:
        """After undeploying, the node has no instance and nothing of its information."""
        conductor = self.conductor()
        node = self.enrol(conductor)
        provision(conductor, node.uuid, "manage", "provide")
        conductor.rpc.call(
            "update_node",
            node=node.uuid,
            changes={"instance_info": {"image_source": "x"}, "instance_uuid": "11111111-1111-4111-8111-111111111111"},
        )
        record = provision(conductor, node.uuid, "active", "undeploy")
        self.assertEqual((None, {}), (record.instance_uuid, record.instance_info))

    def test_automated_cleaning_can_be_left_out(self) -> None:
        """With automated_clean off, no clean step runs on the way to available."""
        conductor = self.conductor(automated_clean=False)
        node = self.enrol(conductor)
        record = provision(conductor, node.uuid, "manage", "provide")
        self.assertEqual("available", record.provision_state)
        self.assertEqual([], self.machine().commands("erase_devices_metadata"))


class TestRefusals(MachinesCase):
    def test_a_verb_that_is_not_allowed_is_refused_with_those_that_are(self) -> None:
        """The error names the state and the verbs that are allowed in it, and the node is as it was."""
        conductor = self.conductor()
        node = self.enrol(conductor)
        with ExpectedException(InvalidStateRequested, ".*'provide' cannot be done while.*'enroll'; allowed now: manage"):
            conductor.rpc.call("change_provision_state", node=node.uuid, verb="provide")
        record = conductor.store.node(node.uuid)
        self.assertEqual(("enroll", None), (record.provision_state, record.lease_holder))

    def test_an_unknown_verb_is_refused_with_those_there_are(self) -> None:
        """The error lists the verbs."""
        conductor = self.conductor()
        node = self.enrol(conductor)
        with ExpectedException(InvalidInput, ".*'fly' is not known; it has to be one of abort, active.*"):
            conductor.rpc.call("change_provision_state", node=node.uuid, verb="fly")

    def test_manage_names_every_problem_of_driver_info_at_once(self) -> None:
        """All that is missing or wrong is in one error and in last_error, and the node stays enrolled."""
        conductor = self.conductor()
        node = self.enrol(
            conductor,
            faults={"set_power": {"effect": "nonsense"}},
            power_interface="fake-bmc",
            driver_info={"fake_machine": None},
        )
        error = self.assertRaises(InvalidInput, conductor.rpc.call, "change_provision_state", node=node.uuid, verb="manage")
        self.assertIn("driver_info/fake_machine", str(error))
        record = conductor.store.node(node.uuid)
        self.assertEqual("enroll", record.provision_state)
        self.assertIn("driver_info/fake_machine", record.last_error or "")

    def test_a_node_in_maintenance_is_not_deployed(self) -> None:
        """Maintenance keeps a node from being deployed; the error says what to do."""
        conductor = self.conductor()
        node = self.enrol(conductor)
        provision(conductor, node.uuid, "manage", "provide")
        conductor.rpc.call("set_maintenance", node=node.uuid, maintenance=True, reason="fan")
        with ExpectedException(NodeInMaintenance, ".*needs it out of maintenance"):
            conductor.rpc.call("change_provision_state", node=node.uuid, verb="active")

    def test_a_protected_node_is_not_torn_down(self) -> None:
        """A protected node refuses deleted and rebuild."""
        conductor = self.conductor()
        node = self.enrol(conductor)
        provision(conductor, node.uuid, "manage", "provide", "active")
        conductor.rpc.call("update_node", node=node.uuid, changes={"protected": True})
        for verb in ("deleted", "rebuild"):
            self.assertRaises(NodeProtected, conductor.rpc.call, "change_provision_state", node=node.uuid, verb=verb)

    def test_an_agent_that_does_not_exist_is_not_waited_for(self) -> None:
        """A deploy interface that needs an agent can be selected, and is refused when it is to deploy."""
        conductor = self.conductor()
        node = self.enrol(conductor, deploy_interface="direct")
        provision(conductor, node.uuid, "manage", "provide")
        with ExpectedException(InvalidInput, ".*needs an agent.*"):
            conductor.rpc.call("change_provision_state", node=node.uuid, verb="active")
        self.assertEqual("available", conductor.store.node(node.uuid).provision_state)


class TestFailures(MachinesCase):
    def test_a_machine_that_does_not_answer_stays_enrolled(self) -> None:
        """When the BMC cannot be reached, manage ends in enroll with the reason."""
        conductor = self.conductor()
        node = self.enrol(conductor, faults={"get_power": {"effect": "drop"}})
        record = provision(conductor, node.uuid, "manage")
        self.assertEqual("enroll", record.provision_state)
        self.assertIn("verifying", record.last_error or "")

    def test_a_failed_deployment_says_why_and_what_power_is(self) -> None:
        """A deploy step that fails leaves 'deploy failed', the reason, the observed power, no run and no lease."""
        conductor = self.conductor()
        node = self.enrol(conductor, faults={"write_image": {"effect": "refuse", "message": "disk on fire"}})
        record = provision(conductor, node.uuid, "manage", "provide", "active")
        self.assertEqual(("deploy failed", "active"), (record.provision_state, record.target_provision_state))
        self.assertIn("disk on fire", record.last_error or "")
        self.assertEqual((None, {}, None), (record.run_id, record.deploy_step, record.lease_holder))
        self.assertEqual("power off", record.power_state)

    def test_a_failed_deployment_can_be_tried_again(self) -> None:
        """A fault that is over does not keep the next try from success."""
        conductor = self.conductor()
        node = self.enrol(conductor, faults={"write_image": {"effect": "refuse", "times": 1}})
        provision(conductor, node.uuid, "manage", "provide", "active")
        record = provision(conductor, node.uuid, "active")
        self.assertEqual(("active", None), (record.provision_state, record.last_error))

    def test_nothing_is_kept_for_a_deployment_that_waited_and_was_aborted(self) -> None:
        """What its deploy interface took for it is freed, as after one that failed."""
        conductor = self.conductor(handed_in={"plugins": waiting_deploys()})
        node = self.enrol(conductor)
        record = provision(conductor, node.uuid, "manage", "provide", "active")
        self.assertEqual(("wait call-back", "fake://kept"), (record.provision_state, self.machine().network_image))
        record = provision(conductor, node.uuid, "abort")
        self.assertEqual(("deploy failed", None), (record.provision_state, self.machine().network_image))

    def test_a_failed_cleaning_puts_the_node_in_maintenance_until_it_is_managed(self) -> None:
        """Clean failures are a fault with maintenance; manage from there takes both away."""
        conductor = self.conductor()
        node = self.enrol(conductor, faults={"erase_devices_metadata": {"effect": "refuse", "times": 1}})
        record = provision(conductor, node.uuid, "manage", "provide")
        self.assertEqual(("clean failed", True, "clean failure"), (record.provision_state, record.maintenance, record.fault))
        record = provision(conductor, node.uuid, "manage")
        self.assertEqual(("manageable", False, None), (record.provision_state, record.maintenance, record.fault))

    def test_a_lost_power_command_is_not_called_success(self) -> None:
        """A deployment whose machine never starts fails within the time for power changes."""
        conductor = self.conductor(power_state_change_timeout=0.2)
        node = self.enrol(conductor, faults={"set_power": {"effect": "lose"}})
        record = provision(conductor, node.uuid, "manage", "provide", "active")
        self.assertEqual("deploy failed", record.provision_state)
        self.assertEqual("power off", record.power_state)


class TestSteps(MachinesCase):
    def clean(self, node: str, conductor: Conductor, **step: object) -> None:
        entry = {"interface": "deploy", **step}
        conductor.rpc.call("change_provision_state", node=node, verb="clean", arguments={"clean_steps": [entry]})
        settle(conductor)

    def test_a_step_that_waits_frees_its_worker_and_is_polled(self) -> None:
        """While a step waits nobody holds the node; when its time has come it is polled and the run goes on to its end."""
        conductor = self.conductor()
        node = self.enrol(conductor)
        provision(conductor, node.uuid, "manage")
        self.clean(node.uuid, conductor, step="burnin", args={"seconds": 0.2})
        record = conductor.store.node(node.uuid)
        self.assertEqual(("clean wait", None), (record.provision_state, record.lease_holder))
        self.assertEqual({}, wait_for(conductor, node.uuid, "manageable").clean_step)

    def test_a_step_that_waits_for_an_event_can_be_aborted(self) -> None:
        """Abort ends the wait in 'clean failed' and forgets the run."""
        conductor = self.conductor()
        node = self.enrol(conductor)
        provision(conductor, node.uuid, "manage")
        self.clean(node.uuid, conductor, step="wait_for_event")
        record = provision(conductor, node.uuid, "abort")
        self.assertEqual(("clean failed", None), (record.provision_state, record.run_id))

    def test_steps_that_there_are_not_are_refused_with_those_there_are(self) -> None:
        """An unknown step and an unknown argument are both named, in one error."""
        conductor = self.conductor()
        node = self.enrol(conductor)
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
