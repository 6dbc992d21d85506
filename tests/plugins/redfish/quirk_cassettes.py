"""Cassettes of the boot quirks: the driver with and without a quirk at a service that needs it.

``python -m tests.plugins.redfish.quirk_cassettes`` records the missing cassettes at the test service, which behaves as the public
report of each quirk describes. ``baremetal-sdk record --boot`` records a real machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from baremetal_fake import Account
from baremetal_fake.redfish import BMCOptions, RedfishService
from baremetal_interfaces import BootDevice, BootMode, LocalTask
from baremetal_interfaces.cassettes import Cassette, Recorder, Redaction
from baremetal_redfish import management
from baremetal_redfish.boot_quirks import BOOT_QUIRKS, BootFlag, BootQuirk, find_boot_flags
from tests.fixtures.redfish_emulator import build_interfaces

HOME = Path(__file__).with_name("cassettes")
USERNAME, PASSWORD = "operator", "s3same/open"


class Case(NamedTuple):
    """A quirk's vendor, the options of the test service, the operation, and its result in the driver with the quirk."""

    manufacturer: str
    options: dict[str, Any]
    act: Callable[[LocalTask], Any]
    wanted: Any


def _mode_after_device(task: LocalTask) -> Any:
    """Set the boot mode, then the boot device, and return the boot mode."""
    task.call("management", "set_boot_mode", BootMode.UEFI)
    task.call("management", "set_boot_device", BootDevice.PXE)
    return task.call("management", "get_boot_mode")


CASES = {BootFlag.MODE_WITH_TARGET: Case("Supermicro", {"forgets_boot_mode": True}, _mode_after_device, BootMode.UEFI)}
"""Boot flag -> its case."""


@contextmanager
def remove_quirk(quirk: BootQuirk) -> Iterator[None]:
    """Remove *quirk* from the driver within the block."""
    others = tuple(other for other in BOOT_QUIRKS if other is not quirk)
    known = management.find_boot_flags
    management.find_boot_flags = lambda system: find_boot_flags(system, others)  # type: ignore[assignment]
    try:
        yield
    finally:
        management.find_boot_flags = known


def run_case(case: Case, url: str, driver_info: Mapping[str, Any]) -> Any:
    """Return the result of the case at the machine at *url*."""
    return case.act(LocalTask(build_interfaces(5.0), {**driver_info, "redfish_address": url}, timeout=60.0))


def record_cassette(quirk: BootQuirk) -> Cassette:
    """Record the service's responses without the quirk and then with it."""
    case = CASES[quirk.flag]
    with RedfishService(1, options=BMCOptions(Account(USERNAME, PASSWORD), **case.options)) as service:
        machine = service.machine(0)
        machine.inventory = replace(machine.inventory, manufacturer=case.manufacturer)
        driver_info = {"redfish_system_id": service.system_path(0), "redfish_username": USERNAME, "redfish_password": "redacted"}
        redaction = Redaction([PASSWORD], {"127.0.0.1": "bmc.example", USERNAME: USERNAME})
        with Recorder(service.url, redaction) as recorder:
            with remove_quirk(quirk):
                bad = run_case(case, recorder.url, {**driver_info, "redfish_password": PASSWORD})
            good = run_case(case, recorder.url, {**driver_info, "redfish_password": PASSWORD})
        return Cassette("redfish", driver_info, tuple(recorder.exchanges), {"without": repr(bad), "with": repr(good)})


def main() -> int:
    """Record the missing cassettes."""
    HOME.mkdir(exist_ok=True)
    for quirk in BOOT_QUIRKS:
        path = HOME / f"{quirk.cassette}.json"
        if not path.exists():
            record_cassette(quirk).save(path)
            print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
