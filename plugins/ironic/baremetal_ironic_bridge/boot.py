"""Adapters that offer plugins' boot and deploy interfaces to Ironic."""

from __future__ import annotations

from typing import Any

from ironic.common import exception, states
from ironic.conductor import utils as conductor
from ironic.drivers import base

from baremetal_ironic_bridge import waiting
from baremetal_ironic_bridge.adapter import Adapter


class BootAdapter(Adapter, base.BootInterface):
    """Offers a plugin's boot interface to Ironic's deploy interfaces and to those of plugins."""

    capabilities = ("ramdisk_boot",)
    """Boot capabilities in Ironic's terms: the contract's boot interfaces boot instances, and ramdisks with parameters."""

    def prepare_instance(self, task: Any) -> None:
        """Prepare the next boot to start the instance."""
        self.call(task, "prepare_instance")

    def clean_up_instance(self, task: Any) -> None:
        """Undo :meth:`prepare_instance`."""
        self.call(task, "clean_up_instance")

    def prepare_ramdisk(self, task: Any, ramdisk_params: dict[str, Any]) -> None:
        """Prepare the next boot to start a ramdisk with the kernel parameters *ramdisk_params*: name -> value."""
        self.call(task, "prepare_ramdisk", dict(ramdisk_params))

    def clean_up_ramdisk(self, task: Any) -> None:
        """Undo :meth:`prepare_ramdisk`."""
        self.call(task, "clean_up_ramdisk")

    def validate_rescue(self, task: Any) -> None:
        """Check ``driver_info``; a rescue needs nothing else."""
        self.validate(task)

    def validate_inspection(self, task: Any) -> None:
        """Check ``driver_info``; an inspection needs nothing else."""
        self.validate(task)


class DeployAdapter(Adapter, base.DeployInterface):
    """Offers a plugin's deploy interface to Ironic. A deployment consists of the plugin's deploy steps."""

    def deploy(self, task: Any) -> None:
        """Raise UnsupportedDriverExtension: Ironic runs the plugin's deploy steps instead."""
        name = self.bridged.__name__
        raise exception.UnsupportedDriverExtension(f"{name} has no single deploy method; run its deploy steps")

    def tear_down(self, task: Any) -> str:
        """Remove the instance. Return the state ``deleted``, which Ironic expects."""
        self.call_without_wait(task, "tear_down")
        return str(states.DELETED)

    def prepare(self, task: Any) -> None:
        """Prepare the deployment, before its first step."""
        self.call(task, "prepare")

    def clean_up(self, task: Any) -> None:
        """Undo :meth:`prepare`."""
        self.call(task, "clean_up")

    def take_over(self, task: Any) -> None:
        """Create on this conductor the resources that another conductor held for the deployed node."""
        self.call(task, "take_over")

    def prepare_cleaning(self, task: Any) -> None:
        """Prepare the machine for the clean steps. Automated cleaning fails if the plugin cannot do it."""
        if task.node.target_provision_state != states.MANAGEABLE:
            self.call(task, "validate_cleaning")
        self.call_without_wait(task, "prepare_cleaning")

    def tear_down_cleaning(self, task: Any) -> None:
        """Undo :meth:`prepare_cleaning`."""
        self.call(task, "tear_down_cleaning")

    def heartbeat(self, task: Any, callback_url: str, agent_version: str, *given: Any, **named: Any) -> None:
        """Resume the step of the node that waits for an event; any heartbeat of its agent is that event.

        A heartbeat is ignored if no step waits for an event.
        """
        if waiting.waits_for_event(task.node):
            task.upgrade_lock()
            waiting.handle_event(task)
            return
        conductor.LOG.debug("Ignored a heartbeat of node %s: no step waits for an event", task.node.uuid)
