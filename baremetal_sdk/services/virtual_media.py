"""RPC methods for virtual media: images that a BMC presents to its machine as devices."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

from baremetal_interfaces import Kind, NotSupported, VirtualMediaControl, VirtualMediaDevice
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.services.in_background import start_background_action
from baremetal_sdk.services.parsing import parse_enum
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.task_manager import TaskManager


class VirtualMedia:
    """RPC service for the virtual media of a conductor's nodes. Reads need no lease.

    As in Ironic, a management interface without virtual media refuses reads at once. A change that it cannot do is accepted,
    and the refusal is the node's ``last_error``: clients do not look at the interface before.
    """

    def __init__(self, tasks: TaskManager, lane: Executor) -> None:
        self._tasks = tasks
        self._lane = lane

    @rpc_method("1.0")
    def get_virtual_media(self, node: str) -> list[dict[str, Any]]:
        """Read from the BMC the virtual media devices of the machine, and the images in them."""
        task = self._tasks.read_only(node)
        _require_support(task)
        task.validate(Kind.MANAGEMENT)
        return [dict(device) for device in task.call(Kind.MANAGEMENT, "get_virtual_media")]

    @rpc_method("1.0")
    def attach_virtual_media(self, node: str, device_type: str, image_url: str) -> None:
        """Attach the image at *image_url* as a device of *device_type*, in the background. The BMC itself fetches the image."""
        device = parse_enum(VirtualMediaDevice, device_type, "device_type")
        with self._tasks.acquire(node, purpose="attaching virtual media") as task:
            task.validate(Kind.MANAGEMENT)

            def attach(task: NodeTask) -> None:
                _require_support(task)
                task.call(Kind.MANAGEMENT, "attach_virtual_media", device, image_url)

            start_background_action(task, self._lane, f"attaching virtual media as {device}", attach)

    @rpc_method("1.0")
    def detach_virtual_media(self, node: str, device_types: Sequence[str] | None = None) -> None:
        """Detach the images of *device_types*, or of all devices, in the background."""
        devices = [parse_enum(VirtualMediaDevice, name, "device_types") for name in device_types] if device_types else None
        with self._tasks.acquire(node, purpose="detaching virtual media") as task:
            task.validate(Kind.MANAGEMENT)

            def detach(task: NodeTask) -> None:
                _require_support(task)
                task.call(Kind.MANAGEMENT, "detach_virtual_media", devices)

            start_background_action(task, self._lane, "detaching virtual media", detach)


def _require_support(task: NodeTask) -> None:
    if not isinstance(task.driver.management, VirtualMediaControl):
        record = task.record
        raise NotSupported(
            f"the management interface {record.management_interface!r} of node {record.uuid} does not support virtual media; "
            f"set management_interface to one of driver {record.driver!r} that supports it"
        )
