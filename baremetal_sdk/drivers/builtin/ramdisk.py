"""A deployment that needs no agent: the machine boots its instance from an image or from the network."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from baremetal_interfaces import DeployInterface, InvalidInput, PowerState, Problem, Task, Wait, step
from baremetal_sdk.drivers.builtin.network_boot import NetworkBoot

_FIELD = "instance_info/boot_iso"
_SCHEMES = ("http", "https", "nfs", "cifs")


class RamdiskDeploy(DeployInterface):
    """Runs the instance from memory: every boot starts it anew, and nothing is written to a disk.

    What is booted is ``instance_info/boot_iso``, a URL that the BMC can read; with a boot interface for the network it is
    what the boot server serves.
    """

    def validate(self, task: Task) -> None:
        """Raise ``InvalidInput`` unless there is something to boot."""
        boot_iso = task.node.instance_info.get("boot_iso")
        if boot_iso is None and isinstance(task.driver.boot, NetworkBoot):
            return
        problem = _problem(boot_iso)
        if problem is not None:
            raise InvalidInput([problem])

    @step(phase="deploy", priority=100, resumable=True)
    def deploy(self, task: Task) -> None:
        """Switch the machine off, prepare its boot, and switch it on."""
        task.power.set(PowerState.OFF)
        task.driver.boot.prepare_instance(task)
        task.power.set(PowerState.ON)

    def tear_down(self, task: Task) -> Wait | None:
        """Switch the machine off, so that nothing of the instance runs, and undo what its boot needed."""
        task.power.set(PowerState.OFF)
        task.driver.boot.clean_up_instance(task)
        return None


def _problem(boot_iso: Any) -> Problem | None:
    """What is wrong with a URL. It is not repeated: it may hold a password."""
    allowed = f"give the URL of a bootable image ({', '.join(_SCHEMES)}), or select a boot interface for the network"
    if boot_iso is None:
        return Problem(_FIELD, "is required by the deploy interface 'ramdisk'", allowed)
    if not isinstance(boot_iso, str):
        return Problem(_FIELD, f"has to be text, not {type(boot_iso).__name__}", allowed)
    try:
        url = urlsplit(boot_iso)
        host, _ = url.hostname, url.port
    except ValueError:
        return Problem(_FIELD, "is not a valid URL", allowed)
    if url.scheme not in _SCHEMES:
        return Problem(_FIELD, f"is not a URL with a known scheme (it has {url.scheme!r})", allowed)
    if not host or not url.path.strip("/"):
        return Problem(_FIELD, "is a URL without a host or without a path", allowed)
    return None
