"""Simulated machines for ``metald demo``: Redfish BMCs on loopback whose power changes are as slow as real ones."""

from __future__ import annotations

import importlib.util
import json
import socket
import sys
import time
import urllib.error
import urllib.request
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metald.machine_lifecycle import DemoMachine
from metald.processes import Child, ChildFailed

_READY_TIMEOUT_S = 30.0
_MAX_ATTEMPTS = 3
"""Maximum number of attempts to start the emulator."""
_POWER_DELAY_S = 2.0
"""Seconds that a power change takes in baremetal-fake. In the emulator, it takes 1 to 11 seconds."""


@dataclass(frozen=True)
class Simulation:
    """Running simulated BMCs: a description for the operator, and the machines that they manage."""

    description: str
    machines: tuple[DemoMachine, ...]


def start_simulation(count: int, directory: Path, children: ExitStack) -> Simulation:
    """Start *count* simulated machines in sushy-tools' emulator, or in baremetal-fake if the emulator is not available.

    *children* stops the processes at its end. *directory* receives logs and state. Raises ChildFailed if neither starts.
    """
    if importlib.util.find_spec("sushy_tools") is None:
        return start_fake_redfish(count, directory, children, "sushy-tools is not installed")
    try:
        return start_emulator(count, directory, children)
    except ChildFailed as exc:
        return start_fake_redfish(count, directory, children, f"sushy-tools' emulator does not start: {exc}")


def start_emulator(count: int, directory: Path, children: ExitStack) -> Simulation:
    """Start *count* machines in sushy-tools' emulator; raise ChildFailed if it does not start in three attempts."""
    systems = [_build_system(number) for number in range(1, count + 1)]
    for attempt in range(_MAX_ATTEMPTS):
        # Another process can take the chosen port before the emulator binds it; then another attempt follows.
        try:
            url = _launch_emulator(systems, directory, children)
        except ChildFailed:
            if attempt == _MAX_ATTEMPTS - 1:
                raise
        else:
            break
    machines = tuple(build_redfish_machine(f"machine-{number}", url, system["uuid"]) for number, system in enumerate(systems, 1))
    return Simulation(f"sushy-tools' Redfish emulator at {url}", machines)


def _launch_emulator(systems: list[dict[str, Any]], directory: Path, children: ExitStack) -> str:
    """Start the emulator at a free port, wait until it lists *systems*, and return its URL."""
    port = _free_port()
    state = directory / "emulator"
    state.mkdir(exist_ok=True)
    settings = {
        "SUSHY_EMULATOR_LISTEN_IP": "127.0.0.1",
        "SUSHY_EMULATOR_LISTEN_PORT": port,
        "SUSHY_EMULATOR_FAKE_DRIVER": True,
        "SUSHY_EMULATOR_FAKE_SYSTEMS": systems,
        "SUSHY_EMULATOR_STATE_DIR": str(state),
    }
    config = directory / "emulator.conf"
    config.write_text("".join(f"{name} = {value!r}\n" for name, value in settings.items()), encoding="utf-8")
    command = [sys.executable, "-m", "sushy_tools.emulator.main", "--config", str(config)]
    # The emulator stores the images that it fetches in TMPDIR.
    child = children.enter_context(Child("emulator", command, directory, no_proxy_environment() | {"TMPDIR": str(state)}))
    url = f"http://127.0.0.1:{port}"
    _wait_for_systems(child, url, len(systems))
    return url


def start_fake_redfish(count: int, directory: Path, children: ExitStack, reason: str) -> Simulation:
    """Start *count* machines in baremetal-fake; raise ChildFailed if it is not installed or does not start.

    *reason* says why the emulator is not used. It becomes part of the description and of the error.
    """
    if importlib.util.find_spec("baremetal_fake") is None:
        raise ChildFailed(
            f"cannot simulate machines: {reason}, and baremetal-fake is not installed either; pip install baremetal-fake"
        )
    command = [sys.executable, "-m", "baremetal_fake.redfish", "--machines", str(count), "--power-seconds", str(_POWER_DELAY_S)]
    child = children.enter_context(Child("redfish", command, directory, no_proxy_environment()))
    ready = json.loads(child.wait_for_line("", _READY_TIMEOUT_S))
    systems = [path.rpartition("/")[2] for path in ready["systems"]]
    machines = tuple(build_redfish_machine(f"machine-{number}", ready["url"], system) for number, system in enumerate(systems, 1))
    return Simulation(f"baremetal-fake's Redfish service at {ready['url']} ({reason})", machines)


def build_redfish_machine(name: str, url: str, system: str) -> DemoMachine:
    """Return a machine of the demonstration that has the Redfish system *system* at *url* and boots from virtual media."""
    fields = {
        "driver": "redfish",
        "boot_interface": "redfish-virtual-media",
        "deploy_interface": "ramdisk",
        "inspect_interface": "redfish",
        "driver_info": {"redfish_address": url, "redfish_system_id": f"/redfish/v1/Systems/{system}"},
    }
    return DemoMachine(name, fields)


def no_proxy_environment() -> dict[str, str]:
    """Return environment variables that disable HTTP proxies, for a process that contacts only loopback."""
    return {"NO_PROXY": "*", "no_proxy": "*"}


def _build_system(number: int) -> dict[str, Any]:
    return {
        "uuid": str(uuid.uuid4()),
        "name": f"machine-{number}",
        "power_state": "Off",
        "external_notifier": False,
        "nics": [{"mac": f"52:54:00:00:00:{number:02x}", "ip": f"192.0.2.{number}"}],
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for_systems(child: Child, url: str, count: int) -> None:
    """Wait until the Redfish service at *url* lists *count* systems; raise ChildFailed after 30 seconds or if *child* ends."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + _READY_TIMEOUT_S
    while child.is_running and time.monotonic() < end:
        try:
            with opener.open(f"{url}/redfish/v1/Systems", timeout=5.0) as answer:
                if len(json.load(answer)["Members"]) >= count:
                    return
        except (urllib.error.URLError, OSError, ValueError, KeyError):
            pass
        time.sleep(0.1)
    raise ChildFailed(f"{child.name} is not ready: it does not list {count} systems at {url}{child.output_tail()}")
