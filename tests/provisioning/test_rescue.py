"""Rescue and its password, service, and runs without a ramdisk."""

from __future__ import annotations

import json
from typing import Any

from testtools import ExpectedException

from baremetal_fake.interfaces.rescue import FakeRescue
from baremetal_interfaces import MASK, DriverError, InvalidInput, NotSupported, Phase, Task, Wait
from baremetal_sdk import Conductor
from baremetal_sdk.drivers.loader import Plugins, discover
from baremetal_sdk.errors import NodeInMaintenance
from baremetal_sdk.provisioning import steps
from baremetal_sdk.states import RESCUING
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.testing import ManualClock, provision, settle
from tests.fixtures.machines import MachinesCase

PASSWORD = "correct-horse"


class WaitingRescue(FakeRescue):
    """A rescue interface that waits for an event and records the passwords that it gets."""

    passwords: list[Any]

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.passwords = []

    def rescue(self, task: Task) -> Wait:  # type: ignore[override]
        """Record the password and wait for an event."""
        self.passwords.append(task.node.instance_info.get("rescue_password"))
        return Wait()

    def poll(self, task: Task, step: Any, state: Any) -> None:
        """Record the password again. The rescue is done."""
        self.passwords.append(task.node.instance_info.get("rescue_password"))
        assert step.phase is Phase.SERVICE and step.name == "rescue"


class FailingRescue(FakeRescue):
    """A rescue interface that fails after it has provided the ramdisk."""

    def rescue(self, task: Task) -> None:
        """Provide the ramdisk and fail."""
        task.driver.boot.prepare_ramdisk(task, {})
        raise DriverError("the machine does not boot")


def plugins(rescue: type[FakeRescue] = WaitingRescue) -> Plugins:
    """Return the installed plugins with a waiting rescue interface, or *rescue*, instead of the fake one."""
    found = discover()
    for kind, named in found.interfaces.items():
        if str(kind) == "rescue":
            named["fake"] = rescue
    return found


class RescueCase(MachinesCase):
    def active(self, conductor: Conductor, **values: Any) -> NodeRecord:
        """Enroll and deploy a node."""
        return provision(conductor, self.enroll(conductor, **values).uuid, "manage", "provide", "active")

    def rescue(self, conductor: Conductor, node: str, password: Any = PASSWORD) -> NodeRecord:
        """Request a rescue and wait for its work."""
        arguments = {"rescue_password": password}
        conductor.rpc.call("change_provision_state", node=node, verb="rescue", arguments=arguments)
        settle(conductor)
        return conductor.store.node(node)


class TestRescue(RescueCase):
    def test_machine_is_rescued_and_unrescued(self) -> None:
        """A rescue boots the ramdisk, and an unrescue boots the instance."""
        conductor = self.conductor()
        node = self.active(conductor)
        record = self.rescue(conductor, node.uuid)
        self.assertEqual("rescue", record.provision_state)
        self.assertIsNone(record.target_provision_state)
        self.assertIsNone(record.last_error)
        last = self.machine().last_boot
        self.assertEqual("fake://ramdisk", last.image if last else None)
        record = provision(conductor, node.uuid, "unrescue")
        self.assertEqual("active", record.provision_state)
        self.assertIsNone(record.last_error)
        last = self.machine().last_boot
        self.assertNotEqual("fake://ramdisk", last.image if last else None)

    def test_password_is_sealed_and_removed_after_the_rescue(self) -> None:
        """While the rescue waits, the record has a mask instead of the password; afterwards it has neither."""
        conductor = self.conductor(handed_in={"plugins": plugins()})
        node = self.active(conductor)
        record = self.rescue(conductor, node.uuid)
        self.assertEqual("rescue wait", record.provision_state)
        self.assertEqual(MASK, record.instance_info["rescue_password"])
        shown = {name: value for name, value in vars(record).items() if name != "sealed_secrets"}
        self.assertNotIn(PASSWORD, json.dumps(shown, default=str))
        conductor.components.step_resumer.resume_now(record)
        settle(conductor)
        record = conductor.store.node(node.uuid)
        self.assertEqual("rescue", record.provision_state)
        self.assertIsNone(record.instance_info.get("rescue_password"))
        driver = conductor.components.tasks.read_only(node.uuid).driver.rescue
        assert isinstance(driver, WaitingRescue)
        self.assertEqual([PASSWORD, PASSWORD], driver.passwords)

    def test_password_survives_a_change_of_driver_info(self) -> None:
        """A change of driver_info does not change the secrets of the instance, and drivers see them apart."""
        conductor = self.conductor(handed_in={"plugins": plugins()})
        node = self.active(conductor)
        record = self.rescue(conductor, node.uuid)
        # During the rescue itself, driver_info cannot be changed.
        conductor.store.update_node(node.uuid, {"provision_state": "rescue", "target_provision_state": None}, fence=None)
        info = {**record.driver_info, "fake_password": "tiger"}
        conductor.rpc.call("update_node", node=node.uuid, changes={"driver_info": info})
        task = conductor.components.tasks.read_only(node.uuid)
        self.assertEqual(PASSWORD, task.node.instance_info["rescue_password"])
        self.assertNotIn(PASSWORD, task.raw_info.values())

    def test_rescue_without_a_password_is_refused(self) -> None:
        """A rescue without a password, or with a blank one, is refused and the node stays active."""
        conductor = self.conductor()
        node = self.active(conductor)
        for password in (None, "", "  ", 5):
            with ExpectedException(InvalidInput, ".*rescue_password.*"):
                self.rescue(conductor, node.uuid, password)
        self.assertEqual("active", conductor.store.node(node.uuid).provision_state)

    def test_missing_rescue_interface_is_refused_with_the_remedy(self) -> None:
        """The error names the interface of the node and the field to set."""
        conductor = self.conductor()
        node = self.active(conductor, rescue_interface="no-rescue")
        with ExpectedException(NotSupported, ".*no-rescue.*set rescue_interface.*"):
            self.rescue(conductor, node.uuid)

    def test_node_in_maintenance_cannot_be_rescued(self) -> None:
        """A node in maintenance refuses a rescue."""
        conductor = self.conductor()
        node = self.active(conductor)
        conductor.rpc.call("set_maintenance", node=node.uuid, maintenance=True, reason="fan")
        with ExpectedException(NodeInMaintenance, ".*maintenance.*"):
            self.rescue(conductor, node.uuid)

    def test_failed_rescue_removes_the_password(self) -> None:
        """A failed rescue has its reason in last_error, and the password is removed."""
        conductor = self.conductor()
        node = self.active(conductor, faults={"set_network_image": {"effect": "refuse", "message": "no server"}})
        record = self.rescue(conductor, node.uuid)
        self.assertEqual("rescue failed", record.provision_state)
        self.assertEqual({}, dict(record.instance_info))
        self.assertIn("no server", record.last_error or "")

    def test_failed_rescue_is_cleaned_up(self) -> None:
        """A rescue that fails after it has provided its ramdisk leaves no ramdisk on the network."""
        conductor = self.conductor(handed_in={"plugins": plugins(FailingRescue)})
        node = self.active(conductor)
        self.assertEqual("rescue failed", self.rescue(conductor, node.uuid).provision_state)
        self.assertIsNone(self.machine().network_image)

    def test_waiting_rescue_can_be_aborted_and_torn_down(self) -> None:
        """An aborted rescue, and the tear-down after it, leave nothing on the machine or the node."""
        conductor = self.conductor(handed_in={"plugins": plugins()})
        node = self.active(conductor)
        self.rescue(conductor, node.uuid)
        record = provision(conductor, node.uuid, "abort")
        self.assertEqual("rescue failed", record.provision_state)
        self.assertEqual({}, dict(record.instance_info))
        self.assertIsNone(record.run_id)
        record = provision(conductor, node.uuid, "deleted")
        self.assertEqual("available", record.provision_state)
        self.assertIsNone(record.last_error)
        self.assertIsNone(self.machine().network_image)

    def test_recovery_of_a_dead_rescue_removes_the_password(self) -> None:
        """Recovery fails the rescue of a dead conductor and removes its password."""
        first = self.conductor(host="first", handed_in={"plugins": plugins()})
        node = self.active(first)
        self.rescue(first, node.uuid)
        store = first.store
        store.update_node(node.uuid, {"provision_state": RESCUING, **steps.NO_RUN}, fence=None)
        first.stop()
        second = self.conductor(host="second", handed_in={"store": store})
        settle(second)
        record = store.node(node.uuid)
        self.assertEqual("rescue failed", record.provision_state)
        self.assertEqual({}, dict(record.instance_info))
        self.assertNotIn("rescue_password", second.components.tasks.read_only(node.uuid).node.instance_info)

    def test_waiting_rescue_times_out(self) -> None:
        """A rescue that waits longer than rescue_callback_timeout fails."""
        clock = ManualClock()
        conductor = self.conductor(handed_in={"plugins": plugins(), "clock": clock}, rescue_callback_timeout=50.0)
        node = self.active(conductor)
        self.rescue(conductor, node.uuid)
        clock.turn(51.0)
        conductor.components.recovery.sweep()
        settle(conductor)
        self.assertEqual("rescue failed", conductor.store.node(node.uuid).provision_state)


class TestService(RescueCase):
    def service(self, conductor: Conductor, node: str, **arguments: Any) -> NodeRecord:
        """Request a service and wait for its work."""
        conductor.rpc.call("change_provision_state", node=node, verb="service", arguments=arguments)
        settle(conductor)
        return conductor.store.node(node)

    def test_active_node_is_serviced(self) -> None:
        """Service steps run in the requested order, and the node is active afterwards."""
        conductor = self.conductor()
        node = self.active(conductor)
        steps = [{"interface": "bios", "step": "factory_reset"}, {"interface": "deploy", "step": "wait_for_event"}]
        record = self.service(conductor, node.uuid, service_steps=steps, disable_ramdisk=True)
        self.assertEqual("service wait", record.provision_state)
        conductor.components.step_resumer.resume_now(record)
        settle(conductor)
        self.assertEqual("active", conductor.store.node(node.uuid).provision_state)
        self.assertEqual({}, dict(record.clean_step))

    def test_unhold_continues_a_held_service(self) -> None:
        """The verb unhold continues a held service with its next step."""
        conductor = self.conductor()
        node = self.active(conductor)
        steps = [{"interface": "power", "step": "hold"}, {"interface": "bios", "step": "factory_reset"}]
        self.assertEqual("service hold", self.service(conductor, node.uuid, service_steps=steps).provision_state)
        self.assertEqual("active", provision(conductor, node.uuid, "unhold").provision_state)
        self.assertEqual(1, len(self.machine().commands("reset_bios")))


class TestWithoutRamdisk(MachinesCase):
    def test_cleaning_without_a_ramdisk_boots_none(self) -> None:
        """With disable_ramdisk, the deploy interface neither prepares nor ends the cleaning."""
        conductor = self.conductor()
        node = self.enroll(conductor, driver_info={})
        provision(conductor, node.uuid, "manage")
        arguments = {"clean_steps": [{"interface": "deploy", "step": "wait_for_event"}], "disable_ramdisk": True}
        conductor.rpc.call("change_provision_state", node=node.uuid, verb="clean", arguments=arguments)
        settle(conductor)
        record = conductor.store.node(node.uuid)
        self.assertEqual([False], [entry["ramdisk"] for entry in record.run_steps])
        self.assertEqual("clean wait", record.provision_state)
