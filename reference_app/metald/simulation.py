"""Machines to demonstrate with: Redfish BMCs on loopback that behave like slow, real ones."""

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

from metald.journey import Machine
from metald.processes import Child, ChildFailed

_READY_SECONDS = 30.0
_ATTEMPTS = 3
_POWER_SECONDS = 2.0
"""What a simulated machine takes to switch on or off; the emulator's take one to eleven."""


@dataclass(frozen=True)
class Simulation:
    """Running BMCs: what they are, and the machines behind them."""

    description: str
    machines: tuple[Machine, ...]


def start(count: int, directory: Path, children: ExitStack) -> Simulation:
    """Start *count* machines: sushy-tools' emulator, or, where that cannot be had, the Redfish service of baremetal-fake.

    Processes are given to *children*, logs and state lie in *directory*. Raises ``ChildFailed`` when neither starts.
    """
    if importlib.util.find_spec("sushy_tools") is None:
        return stand_in(count, directory, children, "sushy-tools is not installed")
    try:
        return emulator(count, directory, children)
    except ChildFailed as exc:
        return stand_in(count, directory, children, f"sushy-tools' emulator does not start: {exc}")


def emulator(count: int, directory: Path, children: ExitStack) -> Simulation:
    """Machines behind sushy-tools' emulator."""
    systems = [_fake_system(number) for number in range(1, count + 1)]
    for attempt in range(_ATTEMPTS):
        # Between the choice of a port and its use somebody else can take it: then there is another attempt.
        try:
            url = _start_emulator(systems, directory, children)
        except ChildFailed:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            break
    machines = tuple(redfish_machine(f"machine-{number}", url, one["uuid"]) for number, one in enumerate(systems, 1))
    return Simulation(f"sushy-tools' Redfish emulator at {url}", machines)


def _start_emulator(systems: list[dict[str, Any]], directory: Path, children: ExitStack) -> str:
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
    # It keeps the images that it fetches in the directory for temporary files.
    child = children.enter_context(Child("emulator", command, directory, loopback_only() | {"TMPDIR": str(state)}))
    url = f"http://127.0.0.1:{port}"
    _wait_for_systems(child, url, len(systems))
    return url


def stand_in(count: int, directory: Path, children: ExitStack, reason: str) -> Simulation:
    """Machines behind baremetal-fake's Redfish service; *reason* says why not behind the emulator."""
    if importlib.util.find_spec("baremetal_fake") is None:
        raise ChildFailed(f"{reason}, and baremetal-fake, which could stand in, is not installed")
    command = [sys.executable, "-m", "baremetal_fake.redfish", "--machines", str(count), "--power-seconds", str(_POWER_SECONDS)]
    child = children.enter_context(Child("redfish", command, directory, loopback_only()))
    said = json.loads(child.wait_for_line("", _READY_SECONDS))
    systems = [path.rpartition("/")[2] for path in said["systems"]]
    machines = tuple(redfish_machine(f"machine-{number}", said["url"], system) for number, system in enumerate(systems, 1))
    return Simulation(f"baremetal-fake's Redfish service at {said['url']} ({reason})", machines)


def redfish_machine(name: str, url: str, system: str) -> Machine:
    """A machine behind a Redfish service, booted from virtual media."""
    fields = {
        "driver": "redfish",
        "boot_interface": "redfish-virtual-media",
        "deploy_interface": "ramdisk",
        "inspect_interface": "redfish",
        "driver_info": {"redfish_address": url, "redfish_system_id": f"/redfish/v1/Systems/{system}"},
    }
    return Machine(name, fields)


def loopback_only() -> dict[str, str]:
    """Environment of a process that speaks on loopback alone: no proxy stands between."""
    return {"NO_PROXY": "*", "no_proxy": "*"}


def _fake_system(number: int) -> dict[str, Any]:
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
    """Return once the service shows *count* systems."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + _READY_SECONDS
    while child.running and time.monotonic() < end:
        try:
            with opener.open(f"{url}/redfish/v1/Systems", timeout=5.0) as answer:
                if len(json.load(answer)["Members"]) >= count:
                    return
        except (urllib.error.URLError, OSError, ValueError, KeyError):
            pass
        time.sleep(0.1)
    raise ChildFailed(f"{child.name} shows no {count} systems at {url}{child.last_words()}")
