"""BIOS settings of simulated machines. They wait for a boot, so each step ends with one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from baremetal_fake.access import MachineAccess
from baremetal_fake.settings import SettingDefinition
from baremetal_interfaces import Argument, BIOSInterface, BIOSSetting, InvalidInput, Phase, PowerState, Problem, Task, step

_SETTINGS = {"settings": Argument('The settings, a list of {"name": ..., "value": ...}.', required=True)}


class FakeBIOS(MachineAccess, BIOSInterface):
    """Reads and changes the settings of a simulated machine."""

    def get_settings(self, task: Task) -> Sequence[BIOSSetting]:
        """All settings, with what they may be."""
        with self.bmc(task) as bmc:
            current = bmc.get_bios()
            definitions = bmc.machine.firmware.definitions
        return [_described(name, value, definitions[name]) for name, value in current.items()]

    @step(phase=Phase.CLEAN, resumable=True, arguments=_SETTINGS)
    @step(phase=Phase.DEPLOY, resumable=True, arguments=_SETTINGS)
    @step(phase=Phase.SERVICE, resumable=True, arguments=_SETTINGS)
    def apply_configuration(self, task: Task, settings: Sequence[Mapping[str, Any]]) -> None:
        """Check all settings, set them, and reboot so that they take effect."""
        with self.bmc(task) as bmc:
            bmc.set_bios(_checked(settings, bmc.machine.firmware.definitions))
        task.power.set(PowerState.REBOOT)

    @step(phase=Phase.CLEAN, resumable=True)
    @step(phase=Phase.DEPLOY, resumable=True)
    @step(phase=Phase.SERVICE, resumable=True)
    def factory_reset(self, task: Task) -> None:
        """Put all settings back, and reboot so that they take effect."""
        with self.bmc(task) as bmc:
            bmc.reset_bios()
        task.power.set(PowerState.REBOOT)


def _described(name: str, value: str, definition: SettingDefinition) -> BIOSSetting:
    return BIOSSetting(
        name=name,
        value=value,
        attribute_type=definition.attribute_type,
        allowable_values=definition.allowable_values,
        lower_bound=definition.lower_bound,
        upper_bound=definition.upper_bound,
        read_only=definition.read_only,
        reset_required=not definition.read_only,
    )


def _checked(settings: Sequence[Mapping[str, Any]], definitions: Mapping[str, SettingDefinition]) -> dict[str, str]:
    if isinstance(settings, str | Mapping) or not isinstance(settings, Sequence) or not settings:
        raise InvalidInput([Problem("settings", f"{settings!r} is not valid", 'a list of {"name": ..., "value": ...}')])
    wanted: dict[str, str] = {}
    problems: list[Problem] = []
    for index, setting in enumerate(settings):
        where = f"settings/{index}"
        if not isinstance(setting, Mapping) or not isinstance(setting.get("name"), str) or setting.get("value") is None:
            problems.append(Problem(where, f"{setting!r} is not valid", 'it has to be {"name": ..., "value": ...}'))
            continue
        name, value = setting["name"], str(setting["value"])
        definition = definitions.get(name)
        why = "is not known" if definition is None else definition.objection(value)
        if why:
            problems.append(Problem(f"{where}/{name}", why, "known are " + ", ".join(definitions) if definition is None else ""))
        wanted[name] = value
    if problems:
        raise InvalidInput(problems)
    return wanted
