"""Boot and deploy interfaces of the contract as Ironic's."""

from __future__ import annotations

from typing import Any

from ironic.common import exception, states
from ironic.conductor import utils as conductor
from ironic.drivers import base

from baremetal_ironic_bridge import waiting
from baremetal_ironic_bridge.adapter import Adapter


class BootAdapter(Adapter, base.BootInterface):
    """Prepares what the machine boots next; Ironic's deploy interfaces, or bridged ones, say when."""

    capabilities = ("ramdisk_boot",)
    """The contract's boot interfaces boot the instance that ``instance_info`` describes, and ramdisks with parameters."""

    def prepare_instance(self, task: Any) -> None:
        """Prepare the boot of the instance."""
        self.call(task, "prepare_instance")

    def clean_up_instance(self, task: Any) -> None:
        """Undo it."""
        self.call(task, "clean_up_instance")

    def prepare_ramdisk(self, task: Any, ramdisk_params: dict[str, Any]) -> None:
        """Prepare the boot of a ramdisk."""
        self.call(task, "prepare_ramdisk", dict(ramdisk_params))

    def clean_up_ramdisk(self, task: Any) -> None:
        """Undo it."""
        self.call(task, "clean_up_ramdisk")

    def validate_rescue(self, task: Any) -> None:
        """The same as for any other boot."""
        self.validate(task)

    def validate_inspection(self, task: Any) -> None:
        """The same as for any other boot."""
        self.validate(task)


class DeployAdapter(Adapter, base.DeployInterface):
    """A deployment is the steps of phase ``deploy`` that the plugin declares."""

    def deploy(self, task: Any) -> None:
        """Refuse: Ironic runs the steps."""
        raise exception.UnsupportedDriverExtension(f"a deployment by {self.bridged.__name__} is its steps")

    def tear_down(self, task: Any) -> str:
        """Take the instance away."""
        self.call_at_once(task, "tear_down")
        return str(states.DELETED)

    def prepare(self, task: Any) -> None:
        """Get ready."""
        self.call(task, "prepare")

    def clean_up(self, task: Any) -> None:
        """Free what preparing took."""
        self.call(task, "clean_up")

    def take_over(self, task: Any) -> None:
        """Rebuild what another conductor kept."""
        self.call(task, "take_over")

    def prepare_cleaning(self, task: Any) -> None:
        """Get ready for the clean steps."""
        self.call_at_once(task, "prepare_cleaning")

    def tear_down_cleaning(self, task: Any) -> None:
        """Leave nothing of it."""
        self.call(task, "tear_down_cleaning")

    def heartbeat(self, task: Any, callback_url: str, agent_version: str, *given: Any, **named: Any) -> None:
        """Go on with a step that waits for an event; which one is the agent's affair."""
        if waiting.for_event(task.node):
            task.upgrade_lock()
            waiting.event(task)
            return
        conductor.LOG.debug("A heartbeat of node %s: nothing waits for one", task.node.uuid)
