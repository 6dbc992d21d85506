"""Asks a BMC everything that the contract knows, by its driver, and keeps what it said."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baremetal_interfaces import (
    BareMetalError,
    BootDevice,
    BootDeviceSetting,
    HardwareType,
    InvalidInput,
    Kind,
    LocalTask,
    NotFound,
    Problem,
)
from baremetal_interfaces.cassettes import Cassette, Recorder, Redaction
from baremetal_interfaces.interface import Interface
from baremetal_interfaces.options import DriverInfo
from baremetal_sdk.drivers.loader import Plugins, discover

QUESTIONS: tuple[tuple[Kind, str], ...] = (
    (Kind.POWER, "get_power_state"),
    (Kind.MANAGEMENT, "get_supported_boot_devices"),
    (Kind.MANAGEMENT, "get_boot_device"),
    (Kind.MANAGEMENT, "get_boot_mode"),
    (Kind.MANAGEMENT, "get_secure_boot"),
    (Kind.MANAGEMENT, "get_supported_indicators"),
    (Kind.MANAGEMENT, "get_sensors_data"),
    (Kind.MANAGEMENT, "get_node_health"),
    (Kind.MANAGEMENT, "get_virtual_media"),
    (Kind.INSPECT, "inspect"),
    (Kind.BIOS, "get_settings"),
    (Kind.FIRMWARE, "get_components"),
)
"""What is asked: nothing that changes the machine."""

_STAND_IN = "bmc.example"


def record(hardware_type: str, driver_info: Path, output: Path, boot: bool = False) -> int:
    """Write the cassette *output* of the machine that *driver_info*, a file of JSON or TOML, reaches; the number of answers.

    With *boot* the boot device is set, too, as :func:`set_boot` does.

    Raises ``NotFound`` for a hardware type that is not installed, ``InvalidInput`` for a driver_info that is wrong or leads to
    no HTTP service, ``FileExistsError`` for an *output* that is there, and what the driver raises of a BMC that cannot be asked.
    """
    if output.exists():
        raise FileExistsError(f"{output} is there already")
    raw = _read(driver_info)
    interfaces = best_interfaces(discover(), hardware_type)
    info_type = _info_type(interfaces)
    info = info_type.parse(raw)
    endpoint = info.endpoint()
    if endpoint.scheme not in ("http", "https"):
        raise InvalidInput([Problem(f"driver_info/{_address(info_type)}", "leads to no HTTP service", "a URL of http or https")])
    secrets = LocalTask(interfaces, raw).secrets()
    account = {str(endpoint.account): "operator"} if endpoint.account else {}
    redaction = Redaction(secrets, {endpoint.host: _STAND_IN, **account})
    with Recorder(str(endpoint), redaction, endpoint.tls) as recorder:
        reached = {**raw, _address(info_type): recorder.url}
        answers = ask(interfaces, reached)
        if boot:
            answers |= set_boot(interfaces, reached)
    # Paths of files, certificates for one, mean nothing elsewhere.
    kept = {name: value for name, value in raw.items() if not (isinstance(value, str) and Path(value).is_file())}
    given = {name: "redacted" if name in info_type.secrets() else redaction.value(value, name) for name, value in kept.items()}
    given[_address(info_type)] = f"http://{_STAND_IN}"
    said = {name: redaction.text(text) for name, text in answers.items()}
    Cassette(hardware_type, given, tuple(recorder.exchanges), said).save(output)
    return len(recorder.exchanges)


def ask(interfaces: Mapping[Kind, Interface], driver_info: Mapping[str, Any]) -> dict[str, str]:
    """Put every question: ``kind.method`` -> the answer, or the class of the error, as text.

    What is raised for the power state, which every machine has, is raised.
    """
    answers: dict[str, str] = {}
    for kind, method in QUESTIONS:
        if kind not in interfaces:
            continue
        try:
            answers[f"{kind}.{method}"] = _text(LocalTask(interfaces, driver_info).call(kind, method))
        except BareMetalError as exc:
            if kind is Kind.POWER:
                raise
            answers[f"{kind}.{method}"] = type(exc).__name__
    return answers


def set_boot(interfaces: Mapping[Kind, Interface], driver_info: Mapping[str, Any]) -> dict[str, str]:
    """Boot from the network the next time, and ask what became of boot device and mode; a device that was set is put back.

    Where services differ in what else they change, quirks begin here.
    """

    def call(method: str, *given: Any, **named: Any) -> Any:
        try:
            return LocalTask(interfaces, driver_info).call(Kind.MANAGEMENT, method, *given, **named)
        except BareMetalError as exc:
            return type(exc)

    before = call("get_boot_device")
    found = {"boot.set": _text(call("set_boot_device", BootDevice.PXE))}
    found |= {"boot.device": _text(call("get_boot_device")), "boot.mode": _text(call("get_boot_mode"))}
    if isinstance(before, BootDeviceSetting) and before.device is not None:
        call("set_boot_device", before.device, persistent=bool(before.persistent))
    return found


def _text(answer: Any) -> str:
    """The answer in words that are the same for the same answer."""
    if isinstance(answer, type):
        return answer.__name__
    return repr(sorted(answer) if isinstance(answer, frozenset) else answer)


def best_interfaces(plugins: Plugins, hardware_type: str) -> dict[Kind, Interface]:
    """For each kind the first implementation of *hardware_type* that is installed."""
    found: type[HardwareType] | None = plugins.hardware_types.get(hardware_type)
    if found is None:
        listed = ", ".join(sorted(plugins.hardware_types)) or "none"
        raise NotFound(f"no installed distribution has the hardware type {hardware_type!r}; installed: {listed}")
    best = {kind: next((name for name in found.supported(kind) if name in plugins.interfaces[kind]), None) for kind in Kind}
    return {kind: plugins.interfaces[kind][name]() for kind, name in best.items() if name is not None}


def _info_type(interfaces: Mapping[Kind, Interface]) -> type[DriverInfo]:
    info_type = interfaces[Kind.POWER].info_type if Kind.POWER in interfaces else None
    if info_type is None:
        raise InvalidInput([Problem("hardware_type", "reads nothing from driver_info", "one that speaks HTTP")])
    return info_type


def _address(info_type: type[DriverInfo]) -> str:
    names = [option.name for option in info_type.options()]
    return info_type.address_option or next((name for name in names if name.endswith("_address")), names[0])


def _read(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    found = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    if not isinstance(found, dict):
        raise InvalidInput([Problem(str(path), "holds no object", "a JSON or TOML file with the options of driver_info")])
    return found
