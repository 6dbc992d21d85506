"""Firmware interface of ``fake-hardware``: versions and updates of the firmware of simulated machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from baremetal_fake.access import MachineAccess
from baremetal_fake.settings import parse_version
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

_SETTINGS = {"settings": Argument('List of updates, each {"component": ..., "url": ...}.', required=True)}

POLL_INTERVAL_S = 1.0
"""Maximum seconds between two polls of a firmware update."""


class FakeFirmware(MachineAccess, FirmwareInterface):
    """Firmware interface ``fake``. The file name in the URL of an update holds the version: 2.4.1 for ``.../bios-2.4.1.bin``."""

    def get_components(self, task: Task) -> Sequence[FirmwareComponent]:
        """Return all firmware components with their initial and present versions."""
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
        """Validate all updates in *settings* and start them; raise InvalidInput, and start none, if any is not valid.

        Return the wait until the first poll, or None if updates of the machine take no time.
        """
        with self.bmc(task) as bmc:
            updates = _validate(settings, bmc.machine.firmware.versions)
            for component, version in updates:
                bmc.update_firmware(component, version)
            seconds = bmc.machine.timings.update
        if not seconds:
            return None
        state = {"wanted": dict(updates), "until": bmc.rack.clock() + seconds}
        return Wait(poll_after=min(seconds, POLL_INTERVAL_S), state=state)

    def poll(self, task: Task, step: Step, state: Mapping[str, Any]) -> Wait | None:
        """Return None if the firmware updates have ended, or the wait until the next poll.

        Raises DriverError if an update has ended without a change of the version.
        """
        with self.bmc(task) as bmc:
            versions = bmc.get_versions()
            left = float(state.get("until", 0.0)) - bmc.rack.clock()
        if left > 0:
            return Wait(poll_after=min(left, POLL_INTERVAL_S), state=dict(state))
        unchanged = [name for name, version in state.get("wanted", {}).items() if versions.get(name) != version]
        if unchanged:
            raise DriverError("the firmware update of " + ", ".join(unchanged) + " had no effect: the version did not change")
        return None


def _validate(settings: Any, components: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the component and the version of each update; raise InvalidInput with all problems of the updates."""
    if not isinstance(settings, list | tuple) or not settings:
        raise InvalidInput([Problem("settings", f"{settings!r} is not valid", 'give a list of {"component": ..., "url": ...}')])
    updates: list[tuple[str, str]] = []
    problems: list[Problem] = []
    for index, update in enumerate(settings):
        where = f"settings/{index}"
        if not isinstance(update, Mapping) or not isinstance(update.get("url"), str) or not update["url"]:
            problems.append(Problem(where, f"{update!r} is not valid", 'it must be {"component": ..., "url": ...}'))
            continue
        component = update.get("component")
        if component not in components:
            known = "use one of " + ", ".join(components)
            problems.append(Problem(f"{where}/component", f"{component!r} is not a firmware component of the machine", known))
        else:
            updates.append((str(component), parse_version(urlsplit(update["url"]).path)))
    if problems:
        raise InvalidInput(problems)
    return updates
