"""Services built from sushy's sample responses, served read-only, and the plugin's results for each.

``python -m tests.plugins.redfish.samples`` prints the table of the documentation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from baremetal_interfaces import BareMetalError
from baremetal_interfaces.local import LocalTask
from baremetal_redfish.bios import RedfishBIOS
from baremetal_redfish.firmware import RedfishFirmware
from tests.fixtures.http_service import LocalHTTPService, ServiceHandler
from tests.fixtures.redfish_emulator import build_interfaces

SYSTEM = "/redfish/v1/Systems/437XR1138R2"
TABLE = Path(__file__).parents[3] / "doc/source/operator/redfish-samples.csv"

_BASE = {
    "root.json": "/redfish/v1",
    "system_collection.json": "/redfish/v1/Systems",
    "system.json": SYSTEM,
    "bios.json": f"{SYSTEM}/Bios",
    "storage_collection.json": f"{SYSTEM}/Storage",
    "manager.json": "/redfish/v1/Managers/BMC",
    "chassis.json": "/redfish/v1/Chassis/1U",
    "updateservice.json": "/redfish/v1/UpdateService",
}
"""Paths of samples whose own ``@odata.id`` differs or is shared by several samples."""


class Case(NamedTuple):
    """A service: its name in the table, and the samples that replace those of the base service."""

    name: str
    instead: Mapping[str, str]


CASES = (
    Case("system.json", {}),
    Case("systemv1_20.json", {SYSTEM: "systemv1_20.json"}),
    Case("system_managedby_missing_manager_present.json", {SYSTEM: "system_managedby_missing_manager_present.json"}),
    Case("bare_minimum_root.json", {"/redfish/v1": "bare_minimum_root.json"}),
    Case("storage_collection_multiple.json", {f"{SYSTEM}/Storage": "storage_collection_multiple.json"}),
    Case("storage_collection_expanded.json", {f"{SYSTEM}/Storage": "storage_collection_expanded.json"}),
    Case(
        "simple_storage_collection_expanded.json",
        {SYSTEM: "systemv1_20.json", f"{SYSTEM}/SimpleStorage": "simple_storage_collection_expanded.json"},
    ),
    Case(
        "bios_zt.json",
        {f"{SYSTEM}/Bios": "bios_zt.json", "/redfish/v1/Registries/Test": "bios_attribute_registry_file_zthardware.json"},
    ),
    Case("managerv1_18.json", {"/redfish/v1/Managers/BMC": "managerv1_18.json"}),
    Case("updateservice_no_inv.json", {"/redfish/v1/UpdateService": "updateservice_no_inv.json"}),
)


def _key(path: str) -> str:
    """Return a path in the form of a key. Services differ in the case of ``Bios`` and in a slash at the end."""
    return path.partition("?")[0].rstrip("/").lower()


def documents(case: Case) -> dict[str, bytes]:
    """Return all resources of a service by path."""
    folder = files("sushy") / "tests" / "unit" / "json_samples"
    found: dict[str, bytes] = {}
    for file in sorted(folder.iterdir(), key=lambda path: path.name):
        if not file.name.endswith(".json"):
            continue
        document = json.loads(file.read_text(encoding="utf-8"))
        path = document.get("@odata.id") if isinstance(document, dict) else None
        if path and file.name not in _BASE:
            found.setdefault(_key(path), file.read_bytes())
    for path in (*_BASE.values(), *case.instead):
        name = case.instead.get(path) or next(name for name, place in _BASE.items() if place == path)
        found[_key(path)] = (folder / name).read_bytes()
    return found


class SampleService(LocalHTTPService):
    """Service of samples. It answers reads, and records and refuses any other request."""

    def __init__(self, case: Case) -> None:
        known = documents(case)
        refused: list[str] = []
        self.refused = refused

        class Handler(ServiceHandler):
            def do_GET(self) -> None:
                content = known.get(_key(self.path))
                self.answer(200 if content is not None else 404, content or b"{}")

            def do_POST(self) -> None:
                refused.append(f"{self.command} {self.path}")
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.answer(405, b"{}")

            do_PATCH = do_DELETE = do_PUT = do_POST

        super().__init__(Handler)

    def task(self) -> LocalTask:
        """Return a task on the service's system."""
        found: dict[str, Any] = {**build_interfaces(1.0), "bios": RedfishBIOS(), "firmware": RedfishFirmware()}
        raw = {"redfish_address": self.url, "redfish_system_id": SYSTEM}
        return LocalTask(found, raw, timeout=30.0, poll_interval=0.02)


COLUMNS: Mapping[str, Callable[[LocalTask], str]] = {
    "Power": lambda task: str(task.call("power", "get_power_state")),
    "Boots from": lambda task: _boot(task.call("management", "get_boot_device")),
    "Mode": lambda task: str(task.call("management", "get_boot_mode")),
    "Inspection": lambda task: _inspection(task.call("inspect", "inspect")),
    "BIOS settings": lambda task: str(len(task.call("bios", "get_settings"))),
    "Sensors": lambda task: _sensors(task.call("management", "get_sensors_data")),
    "Firmware": lambda task: ", ".join(sorted(part.component for part in task.call("firmware", "get_components"))),
}
"""Column of the table -> the operation and its result as text."""


def _boot(setting: Any) -> str:
    return f"{setting.device}, {'always' if setting.persistent else 'once'}"


def _inspection(found: Any) -> str:
    names = ("cpus", "memory_mb", "local_gb", "cpu_arch")
    texts = [f"{name} {found.properties[name]}" for name in names if name in found.properties]
    return ", ".join([*texts, f"{len(found.ports)} port(s)", f"{len(found.inventory['disks'])} disk(s)"])


def _sensors(found: Mapping[str, Any]) -> str:
    return ", ".join(f"{len(sensors)} {kind}" for kind, sensors in sorted(found.items())) or "none"


def row(case: Case) -> dict[str, str]:
    """Return the plugin's results at one service; an error appears as the name of its class."""
    cells = {"Sample": case.name}
    with SampleService(case) as service:
        task = service.task()
        for column, ask in COLUMNS.items():
            try:
                cells[column] = ask(task)
            except BareMetalError as exc:
                cells[column] = type(exc).__name__
        if service.refused:
            raise AssertionError(f"{case.name}: more than reads: {service.refused}")
    return cells


def table() -> str:
    """Return the results at all services, as comma-separated values for the documentation."""
    rows = [row(case) for case in CASES]
    lines = [list(rows[0]), *(list(cells.values()) for cells in rows)]
    return "".join(",".join(f'"{cell}"' for cell in line) + "\n" for line in lines)


def sushy_version() -> str:
    """Return the version of sushy whose samples are installed."""
    return version("sushy")


if __name__ == "__main__":
    print(table(), end="")
