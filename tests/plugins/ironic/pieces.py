"""Adapters of the bridge without a conductor, in an environment with Ironic."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from ironic.common import exception, states
from ironic.conf import CONF
from testtools import TestCase

from baremetal_interfaces import (
    DeployInterface,
    DriverState,
    InvalidInput,
    NetworkInterface,
    NetworkPurpose,
    NotSupported,
    Phase,
    PowerInterface,
    PowerState,
    StorageInterface,
    Task,
    Wait,
    step,
)
from baremetal_ironic_bridge.boot import BootAdapter
from baremetal_ironic_bridge.interfaces import ADAPTERS, ironic_interface
from baremetal_ironic_bridge.mapping import PLACES


class Node(SimpleNamespace):
    """The attributes of Ironic's node that the bridge uses."""

    def __init__(self, **fields: Any) -> None:
        empty = ("driver_info", "properties", "instance_info", "network_data", "raid_config", "target_raid_config", "extra")
        usual = {"uuid": "u", "name": "n", "driver": "acme", "power_state": None, "instance_uuid": None, "resource_class": None}
        run = {"clean_step": None, "deploy_step": None, "service_step": None, "provision_state": states.CLEANING, "traits": None}
        super().__init__(**{**{key: {} for key in empty}, **usual, **run, "driver_internal_info": {}, "saves": 0, **fields})

    def set_driver_internal_info(self, name: str, value: Any) -> None:
        self.driver_internal_info = {**self.driver_internal_info, name: value}

    def del_driver_internal_info(self, name: str, default: Any = None) -> Any:
        return self.driver_internal_info.pop(name, default)

    def save(self) -> None:
        self.saves += 1


def task_on(node: Node, **interfaces: Any) -> Any:
    """Return a stand-in for a task of Ironic."""
    return SimpleNamespace(node=node, ports=[], driver=SimpleNamespace(**interfaces), upgrade_lock=lambda: None)


@dataclasses.dataclass
class Count(DriverState):
    """Driver state with a counter."""

    commands: int = 0


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of a plugin."""

    patience: float = 5.0


class Power(PowerInterface):
    """Power interface that counts its calls in the driver state."""

    state_type = Count
    options_type = Options

    def get_power_state(self, task: Task) -> PowerState:
        task.state("power").commands += 1
        return PowerState.UNKNOWN

    def set_power_state(self, task: Task, state: PowerState) -> None:
        raise NotSupported("no power")


class Deploy(DeployInterface):
    """Deploy interface whose methods all return Wait."""

    @step(phase=Phase.DEPLOY, priority=10)
    @step(phase=Phase.CLEAN)
    def deploy(self, task: Task) -> Wait:
        task.driver.boot.prepare_instance(task)
        return Wait()

    @step(phase=Phase.CLEAN)
    def polled(self, task: Task) -> Wait:
        return Wait(poll_after=1.0)

    @step(phase=Phase.VERIFY, priority=1)
    def look(self, task: Task) -> Wait:
        return Wait()

    def tear_down(self, task: Task) -> Wait | None:
        return Wait(poll_after=1.0)


class Network(NetworkInterface):
    """Network interface that records its calls."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.calls: list[Any] = []

    def attach(self, task: Task, purpose: NetworkPurpose) -> None:
        self.calls.append(("attach", purpose))

    def detach(self, task: Task, purpose: NetworkPurpose) -> None:
        self.calls.append(("detach", purpose))

    def vif_attach(self, task: Task, vif: Mapping[str, Any]) -> None:
        self.calls.append(("vif", vif["id"]))

    def vif_detach(self, task: Task, vif_id: str) -> None:
        """Do nothing."""

    def vif_list(self, task: Task) -> Sequence[Mapping[str, Any]]:
        return [{"id": "v1"}]


class Storage(StorageInterface):
    """Storage interface without volumes."""

    def attach_volumes(self, task: Task) -> None:
        raise NotSupported("no volumes")

    def detach_volumes(self, task: Task) -> None:
        """Do nothing."""


class PiecesTest(TestCase):
    """The adapters, one at a time."""

    def test_adapters_have_the_methods_of_the_table(self) -> None:
        """Every method of Ironic in the table exists, and each adapter implements all that Ironic requires."""
        for kind, adapter in ADAPTERS.items():
            missing = {name for place in PLACES[kind].values() for name in place.ironic if not hasattr(adapter, name)}
            self.assertEqual(set(), missing - {"vendor_routes", "driver_routes"}, kind)
            self.assertEqual(frozenset(), getattr(adapter, "__abstractmethods__", frozenset()), kind)

    def test_driver_state_is_stored_in_the_node(self) -> None:
        """The next call finds the state, and a call that changes nothing saves nothing."""
        power, node = ironic_interface(Power)(), Node()
        for _ in range(2):
            self.assertEqual(states.ERROR, power.get_power_state(task_on(node, power=power)))
        kept = node.driver_internal_info["contract_states"]
        self.assertEqual({"power": {"version": 1, "fields": {"commands": 2}}}, kept)
        self.assertEqual(2, node.saves)
        self.assertRaises(exception.UnsupportedDriverExtension, power.set_power_state, task_on(node, power=power), "power on")
        self.assertEqual(2, node.saves)

    def test_options_are_read_from_the_section(self) -> None:
        """A plugin's options have their declared types and defaults."""
        power = ironic_interface(Power, "contract-acme")
        self.assertEqual(5.0, power()._interface.options.patience)
        CONF.set_override("patience", 7.5, group="contract-acme")
        self.addCleanup(CONF.clear_override, "patience", group="contract-acme")
        self.assertEqual(7.5, power()._interface.options.patience)

    def test_heartbeat_resumes_a_step_that_waits_for_an_event(self) -> None:
        """The node waits until the heartbeat; the plugin's deployment uses Ironic's boot interface if none is bridged."""
        prepared = []
        boot = SimpleNamespace(prepare_instance=prepared.append)
        deploy, node = ironic_interface(Deploy)(), Node(clean_step={"step": "deploy", "interface": "deploy"})
        task = task_on(node, deploy=deploy, boot=boot)
        self.assertEqual(states.CLEANWAIT, deploy.execute_clean_step(task, {"step": "deploy"}))
        self.assertEqual([task], prepared)
        self.assertTrue(node.driver_internal_info["cleaning_reboot"])
        resumed: list[Any] = []
        node.provision_state = states.CLEANWAIT
        from ironic.conductor import utils

        self.patch(utils, "notify_conductor_resume_operation", lambda task, operation: resumed.append(operation))
        for _ in range(2):
            deploy.heartbeat(task, "http://192.0.2.1:9999", "1.0")
        self.assertEqual(["clean"], resumed)

    def test_unsupported_waits_are_refused(self) -> None:
        """A step without polls, a verify step and a tear-down must not wait."""
        deploy, node = ironic_interface(Deploy)(), Node(clean_step={"step": "polled", "interface": "deploy"})
        task = task_on(node, deploy=deploy, boot=None)
        for act in (
            lambda: deploy.execute_clean_step(task, {"step": "polled"}),
            lambda: deploy.execute_verify_step(task, {"step": "look"}),
            lambda: deploy.tear_down(task),
            lambda: deploy.deploy(task),
        ):
            self.assertRaises(exception.UnsupportedDriverExtension, act)

    def test_networks_map_to_purposes(self) -> None:
        """Each of Ironic's networks has a purpose; port groups are refused."""
        network = ironic_interface(Network)()
        task = task_on(Node(), network=network)
        names = ["provisioning", "cleaning", "inspection", "rescuing", "servicing"]
        for name in names:
            getattr(network, f"add_{name}_network")(task)
            getattr(network, f"remove_{name}_network")(task)
        network.configure_tenant_networks(task)
        network.unconfigure_tenant_networks(task)
        calls = network._interface.calls
        self.assertEqual([(verb, purpose) for purpose in (*names, "tenant") for verb in ("attach", "detach")], calls)
        self.assertEqual([{"id": "v1"}], network.vif_list(task))
        self.assertIsNone(network.get_current_vif(task, None))
        self.assertRaises(exception.UnsupportedDriverExtension, network.portgroup_changed, task, None)

    def test_refusal_is_an_error_of_ironic(self) -> None:
        """NotSupported becomes UnsupportedDriverExtension, and a method with a default in the contract returns the default."""
        storage = ironic_interface(Storage)()
        task = task_on(Node(), storage=storage)
        self.assertRaises(exception.UnsupportedDriverExtension, storage.attach_volumes, task)
        self.assertIs(True, storage.should_write_image(task))

    def test_unsuitable_class_is_not_loaded(self) -> None:
        """A class that Ironic cannot run is refused before an adapter is made."""
        self.assertRaises(InvalidInput, ironic_interface, BootAdapter)
