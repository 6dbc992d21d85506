"""Recording of a BMC's responses in a cassette file, while its driver calls all reading methods of the contract."""

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
from baremetal_interfaces.addresses import build_url
from baremetal_interfaces.cassettes import Cassette, Recorder, Redaction
from baremetal_interfaces.interface import Interface
from baremetal_interfaces.options import DriverInfo
from baremetal_sdk.drivers.loader import Plugins, discover

READ_METHODS: tuple[tuple[Kind, str], ...] = (
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
"""Methods that are recorded. None of them changes the machine."""

_PLACEHOLDER_HOST = "bmc.example"
"""Host name that replaces the address of the BMC in a cassette."""


def record(hardware_type: str, driver_info: Path, output: Path, boot: bool = False) -> int:
    """Call all reading methods of a machine's driver, and record the BMC's responses in the cassette file *output*.

    *driver_info* is a JSON or TOML file. With *boot*, the boot device is also set and restored, as in :func:`set_boot`.
    Secrets, addresses, names and serial numbers are masked in the file. Returns the number of recorded responses.

    Raises ``NotFound`` for a hardware type that is not installed, ``InvalidInput`` for a wrong driver_info or a BMC without
    HTTP, ``FileExistsError`` if *output* exists, and the error of the driver if the BMC cannot be read.
    """
    if output.exists():
        raise FileExistsError(f"the cassette cannot be created: {output} exists; choose a new file name")
    raw = _read_driver_info(driver_info)
    interfaces = choose_interfaces(discover(), hardware_type)
    info_type = _find_info_type(interfaces)
    info = info_type.parse(raw)
    endpoint = info.endpoint()
    if endpoint.scheme not in ("http", "https"):
        raise InvalidInput(
            [
                Problem(
                    f"driver_info/{_address_option(info_type)}", "the BMC does not use HTTP", "use an address with http or https"
                )
            ]
        )
    secrets = LocalTask(interfaces, raw).secrets()
    account = {str(endpoint.account): "operator"} if endpoint.account else {}
    redaction = Redaction(secrets, {endpoint.host: _PLACEHOLDER_HOST, **account})
    with Recorder(str(endpoint), redaction, endpoint.tls) as recorder:
        recorded_info = {**raw, _address_option(info_type): recorder.url}
        answers = query_machine(interfaces, recorded_info)
        if boot:
            answers |= set_boot(interfaces, recorded_info)
    # Options with local files, such as certificates, are meaningless on other machines.
    portable = {name: value for name, value in raw.items() if not (isinstance(value, str) and Path(value).is_file())}
    public_info = {
        name: "redacted" if name in info_type.secrets() else redaction.value(value, name) for name, value in portable.items()
    }
    public_info[_address_option(info_type)] = build_url("http", _PLACEHOLDER_HOST)
    public_answers = {name: redaction.text(text) for name, text in answers.items()}
    cassette = Cassette(hardware_type, public_info, exchanges=tuple(recorder.exchanges), answers=public_answers)
    cassette.save(output)
    return len(recorder.exchanges)


def query_machine(interfaces: Mapping[Kind, Interface], driver_info: Mapping[str, Any]) -> dict[str, str]:
    """Call all ``READ_METHODS``, and return the result or the name of the error class of each, by ``kind.method``.

    An error of the power interface is raised, because every machine has a power state.
    """
    answers: dict[str, str] = {}
    for kind, method in READ_METHODS:
        if kind not in interfaces:
            continue
        try:
            answers[f"{kind}.{method}"] = _format_answer(LocalTask(interfaces, driver_info).call(kind, method))
        except BareMetalError as exc:
            if kind is Kind.POWER:
                raise
            answers[f"{kind}.{method}"] = type(exc).__name__
    return answers


def set_boot(interfaces: Mapping[Kind, Interface], driver_info: Mapping[str, Any]) -> dict[str, str]:
    """Set the next boot to the network, and return the resulting boot device and mode as text.

    A previously set boot device is restored. A failed call is returned as the name of its error class. BMCs differ in the
    settings that they change with the boot device, so the recording shows their quirks.
    """

    def call(method: str, *arguments: Any, **options: Any) -> Any:
        try:
            return LocalTask(interfaces, driver_info).call(Kind.MANAGEMENT, method, *arguments, **options)
        except BareMetalError as exc:
            return type(exc)

    before = call("get_boot_device")
    answers = {"boot.set": _format_answer(call("set_boot_device", BootDevice.PXE))}
    answers |= {"boot.device": _format_answer(call("get_boot_device")), "boot.mode": _format_answer(call("get_boot_mode"))}
    if isinstance(before, BootDeviceSetting) and before.device is not None:
        call("set_boot_device", before.device, persistent=bool(before.persistent))
    return answers


def _format_answer(answer: Any) -> str:
    """Return the result of a driver call, or its error class, as text. Sets are sorted, so equal sets have equal texts."""
    if isinstance(answer, type):
        return answer.__name__
    return repr(sorted(answer) if isinstance(answer, frozenset) else answer)


def choose_interfaces(plugins: Plugins, hardware_type: str) -> dict[Kind, Interface]:
    """Return the first installed implementation of each kind for *hardware_type*; raise ``NotFound`` if it is not installed."""
    hardware_class: type[HardwareType] | None = plugins.hardware_types.get(hardware_type)
    if hardware_class is None:
        listed = ", ".join(sorted(plugins.hardware_types)) or "none"
        raise NotFound(f"hardware type {hardware_type!r} is not installed; installed: {listed}")
    names = {
        kind: next((name for name in hardware_class.supported(kind) if name in plugins.interfaces[kind]), None) for kind in Kind
    }
    return {kind: plugins.interfaces[kind][name]() for kind, name in names.items() if name is not None}


def _find_info_type(interfaces: Mapping[Kind, Interface]) -> type[DriverInfo]:
    info_type = interfaces[Kind.POWER].info_type if Kind.POWER in interfaces else None
    if info_type is None:
        raise InvalidInput(
            [Problem("hardware_type", "the hardware type has no driver_info", "use a hardware type for BMCs with HTTP")]
        )
    return info_type


def _address_option(info_type: type[DriverInfo]) -> str:
    names = [option.name for option in info_type.options()]
    return info_type.address_option or next((name for name in names if name.endswith("_address")), names[0])


def _read_driver_info(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    driver_info = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    if not isinstance(driver_info, dict):
        raise InvalidInput(
            [Problem(str(path), "the file does not contain an object", "use a JSON or TOML file with the options of driver_info")]
        )
    return driver_info
