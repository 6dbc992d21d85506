"""Firmware of simulated machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from baremetal_fake.access import MachineAccess
from baremetal_fake.settings import version_in
from baremetal_interfaces import (
    Argument,
    DriverError,
    FirmwareComponent,
    FirmwareInterface,
    InvalidInput,
    Phase,
    Problem,
    Step,
    Task,
    Wait,
    step,
)

_SETTINGS = {"settings": Argument('The updates, a list of {"component": ..., "url": ...}.', required=True)}

POLL_SECONDS = 1.0
"""How often a flash in progress is looked at."""


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
    def update(self, task: Task, settings: Sequence[Mapping[str, Any]]) -> Wait | None:
        """Check all updates, and flash them; where that takes time, it is waited for."""
        with self.bmc(task) as bmc:
            wanted = _checked(settings, bmc.machine.firmware.versions)
            for component, version in wanted:
                bmc.update_firmware(component, version)
            seconds = bmc.machine.timings.update
        if not seconds:
            return None
        return Wait(poll_after=min(seconds, POLL_SECONDS), state={"wanted": dict(wanted), "until": bmc.rack.clock() + seconds})

    def poll(self, task: Task, step: Step, state: Mapping[str, Any]) -> Wait | None:
        """See whether the time is over, and then whether the versions are those that were wanted."""
        with self.bmc(task) as bmc:
            versions = bmc.get_versions()
            left = float(state.get("until", 0.0)) - bmc.rack.clock()
        if left > 0:
            return Wait(poll_after=min(left, POLL_SECONDS), state=dict(state))
        missed = [name for name, version in state.get("wanted", {}).items() if versions.get(name) != version]
        if missed:
            raise DriverError("the update of " + ", ".join(missed) + " had no effect")
        return None


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
