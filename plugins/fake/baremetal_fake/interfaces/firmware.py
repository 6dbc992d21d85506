"""Firmware of simulated machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from baremetal_fake.access import MachineAccess
from baremetal_fake.settings import version_in
from baremetal_interfaces import Argument, FirmwareComponent, FirmwareInterface, InvalidInput, Phase, Problem, Task, step

_SETTINGS = {"settings": Argument('The updates, a list of {"component": ..., "url": ...}.', required=True)}


class FakeFirmware(MachineAccess, FirmwareInterface):
    """Flashes what a file name says: ``.../bios-2.4.1.bin`` is version 2.4.1."""

    def get_components(self, task: Task) -> Sequence[FirmwareComponent]:
        """All components and their versions."""
        with self.bmc(task) as bmc:
            versions = bmc.get_versions()
            initial = bmc.machine.firmware.initial_versions
        return [
            FirmwareComponent(name, version, initial.get(name), version if version != initial.get(name) else None)
            for name, version in versions.items()
        ]

    @step(phase=Phase.CLEAN, arguments=_SETTINGS)
    @step(phase=Phase.SERVICE, arguments=_SETTINGS)
    def update(self, task: Task, settings: Sequence[Mapping[str, Any]]) -> None:
        """Check all updates, and flash them one after the other."""
        with self.bmc(task) as bmc:
            for component, version in _checked(settings, bmc.machine.firmware.versions):
                bmc.update_firmware(component, version)


def _checked(settings: Any, known: Mapping[str, str]) -> list[tuple[str, str]]:
    if not isinstance(settings, list | tuple) or not settings:
        raise InvalidInput([Problem("settings", f"{settings!r} is not valid", 'a list of {"component": ..., "url": ...}')])
    updates: list[tuple[str, str]] = []
    problems: list[Problem] = []
    for index, one in enumerate(settings):
        where = f"settings/{index}"
        if not isinstance(one, Mapping) or not isinstance(one.get("url"), str) or not one["url"]:
            problems.append(Problem(where, f"{one!r} is not valid", 'it has to be {"component": ..., "url": ...}'))
            continue
        component = one.get("component")
        if component not in known:
            problems.append(Problem(f"{where}/component", f"{component!r} is not known", "known are " + ", ".join(known)))
        else:
            updates.append((str(component), version_in(urlsplit(one["url"]).path)))
    if problems:
        raise InvalidInput(problems)
    return updates
