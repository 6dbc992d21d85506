"""Deployment without an agent: the machine boots its instance from an image or from the network."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import DeployInterface, InvalidInput, PowerState, Problem, Task, Wait, step
from baremetal_interfaces.addresses import get_host_port, split_url
from baremetal_sdk.drivers.builtin.network_boot import NetworkBoot

_FIELD = "instance_info/boot_iso"
_SCHEMES = ("http", "https", "nfs", "cifs")


class RamdiskDeploy(DeployInterface):
    """Deploy interface ``ramdisk``: the instance runs from memory.

    Every boot starts a fresh instance, and nothing is written to a disk.

    The machine boots the image of ``instance_info/boot_iso``, a URL that its BMC can read. With a network boot interface it
    boots the files of the boot server.
    """

    def validate(self, task: Task) -> None:
        """Raise ``InvalidInput`` unless ``boot_iso`` is a URL, or is missing and the machine boots from the network.

        Only the form of the URL is checked. The image is not read.
        """
        boot_iso = task.node.instance_info.get("boot_iso")
        if boot_iso is None and isinstance(task.driver.boot, NetworkBoot):
            return
        problem = _find_problem(boot_iso)
        if problem is not None:
            raise InvalidInput([problem])

    @step(phase="deploy", priority=100, resumable=True)
    def deploy(self, task: Task) -> None:
        """Power off the machine, prepare its boot, and power it on."""
        task.power.set(PowerState.OFF)
        task.driver.boot.prepare_instance(task)
        task.power.set(PowerState.ON)

    def tear_down(self, task: Task) -> Wait | None:
        """Power off the machine, so that no part of the instance runs, and clean up its boot."""
        task.power.set(PowerState.OFF)
        task.driver.boot.clean_up_instance(task)
        return None


def _find_problem(boot_iso: Any) -> Problem | None:
    """Return the problem of an image URL, or None. The problem does not quote the URL, which may contain a password."""
    allowed = f"give the URL of a bootable image ({', '.join(_SCHEMES)}), or select a boot interface for the network"
    if boot_iso is None:
        return Problem(_FIELD, "is required by the deploy interface 'ramdisk'", allowed)
    if not isinstance(boot_iso, str):
        return Problem(_FIELD, f"has to be text, not {type(boot_iso).__name__}", allowed)
    try:
        url = split_url(boot_iso)
        host = get_host_port(url).host
    except ValueError:
        return Problem(_FIELD, "is not a valid URL", allowed)
    if url.scheme not in _SCHEMES:
        return Problem(_FIELD, f"is not a URL with a known scheme (it has {url.scheme!r})", allowed)
    if not host or not url.path.strip("/"):
        return Problem(_FIELD, "is a URL without a host or without a path", allowed)
    return None
