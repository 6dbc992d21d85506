"""Cassettes of the quirks: the driver with and without a quirk at a service that needs it.

``python -m tests.plugins.redfish.quirk_cassettes`` records the missing cassettes at the test service, which behaves as the public
report of each quirk describes. ``baremetal-sdk record --boot`` records a real machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from baremetal_fake import Account
from baremetal_fake.redfish import BMCOptions, RedfishService
from baremetal_interfaces import BootDevice, BootMode, LocalTask
from baremetal_interfaces.cassettes import Cassette, Recorder, Redaction
from baremetal_redfish.quirks import QUIRK_RULES, Quirk, QuirkRule
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


CASES = {Quirk.BOOT_MODE_WITH_TARGET: Case("Supermicro", {"forgets_boot_mode": True}, _mode_after_device, BootMode.UEFI)}
"""Quirk -> its case."""


def run_case(case: Case, url: str, driver_info: Mapping[str, Any], *, without: Quirk | None = None) -> Any:
    """Return the result of the case at the machine at *url*, in the driver *without* a quirk if one is given."""
    quirks = {} if without is None else {"redfish_quirks": f"-{without}"}
    return case.act(LocalTask(build_interfaces(5.0), {**driver_info, **quirks, "redfish_address": url}, timeout=60.0))


def record_cassette(rule: QuirkRule) -> Cassette:
    """Record the service's responses without the quirk and then with it."""
    case = CASES[rule.quirk]
    with RedfishService(1, options=BMCOptions(Account(USERNAME, PASSWORD), **case.options)) as service:
        machine = service.machine(0)
        machine.inventory = replace(machine.inventory, manufacturer=case.manufacturer)
        driver_info = {"redfish_system_id": service.system_path(0), "redfish_username": USERNAME, "redfish_password": "redacted"}
        redaction = Redaction([PASSWORD], {"127.0.0.1": "bmc.example", USERNAME: USERNAME})
        with Recorder(service.url, redaction) as recorder:
            bad = run_case(case, recorder.url, {**driver_info, "redfish_password": PASSWORD}, without=rule.quirk)
            good = run_case(case, recorder.url, {**driver_info, "redfish_password": PASSWORD})
        return Cassette("redfish", driver_info, tuple(recorder.exchanges), {"without": repr(bad), "with": repr(good)})


def main() -> int:
    """Record the missing cassettes."""
    HOME.mkdir(exist_ok=True)
    for rule in QUIRK_RULES:
        path = HOME / f"{rule.cassette}.json"
        if rule.cassette is not None and not path.exists():
            record_cassette(rule).save(path)
            print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
