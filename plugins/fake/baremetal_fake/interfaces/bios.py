"""BIOS interface of ``fake-hardware``. Settings take effect at a boot, so each step ends with a reboot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from baremetal_fake.access import MachineAccess
from baremetal_fake.settings import SettingDefinition
from baremetal_interfaces import Argument, BIOSInterface, BIOSSetting, InvalidInput, Phase, PowerState, Problem, Task, step

_SETTINGS = {"settings": Argument('List of settings, each {"name": ..., "value": ...}.', required=True)}


class FakeBIOS(MachineAccess, BIOSInterface):
    """BIOS interface ``fake``, which reads and changes the BIOS settings of a simulated machine."""

    def get_settings(self, task: Task) -> Sequence[BIOSSetting]:
        """Return all BIOS settings in effect with their allowed values."""
        with self.bmc(task) as bmc:
            current = bmc.get_bios()
            definitions = bmc.machine.firmware.definitions
        return [_to_bios_setting(name, value, definitions[name]) for name, value in current.items()]

    @step(phase=Phase.CLEAN, resumable=True, arguments=_SETTINGS)
    @step(phase=Phase.DEPLOY, resumable=True, arguments=_SETTINGS)
    @step(phase=Phase.SERVICE, resumable=True, arguments=_SETTINGS)
    def apply_configuration(self, task: Task, settings: Sequence[Mapping[str, Any]]) -> None:
        """Validate all *settings*, set them, and reboot the machine so that they take effect.

        Raises InvalidInput, and sets none, if any setting is not valid.
        """
        with self.bmc(task) as bmc:
            bmc.set_bios(_validate(settings, bmc.machine.firmware.definitions))
        task.power.set(PowerState.REBOOT)

    @step(phase=Phase.CLEAN, resumable=True)
    @step(phase=Phase.DEPLOY, resumable=True)
    @step(phase=Phase.SERVICE, resumable=True)
    def factory_reset(self, task: Task) -> None:
        """Reset all BIOS settings to their defaults, and reboot the machine so that the defaults take effect."""
        with self.bmc(task) as bmc:
            bmc.reset_bios()
        task.power.set(PowerState.REBOOT)


def _to_bios_setting(name: str, value: str, definition: SettingDefinition) -> BIOSSetting:
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


def _validate(settings: Sequence[Mapping[str, Any]], definitions: Mapping[str, SettingDefinition]) -> dict[str, str]:
    """Return the values of *settings* by name; raise InvalidInput with all problems of the settings."""
    if isinstance(settings, str | Mapping) or not isinstance(settings, Sequence) or not settings:
        raise InvalidInput([Problem("settings", f"{settings!r} is not valid", 'give a list of {"name": ..., "value": ...}')])
    values: dict[str, str] = {}
    problems: list[Problem] = []
    for index, setting in enumerate(settings):
        where = f"settings/{index}"
        if not isinstance(setting, Mapping) or not isinstance(setting.get("name"), str) or setting.get("value") is None:
            problems.append(Problem(where, f"{setting!r} is not valid", 'it must be {"name": ..., "value": ...}'))
            continue
        name, value = setting["name"], str(setting["value"])
        definition = definitions.get(name)
        if definition is None:
            problems.append(
                Problem(f"{where}/{name}", "is not a BIOS setting of the machine", "use one of " + ", ".join(definitions))
            )
        else:
            reason = definition.find_problem(value)
            if reason:
                problems.append(Problem(f"{where}/{name}", reason))
        values[name] = value
    if problems:
        raise InvalidInput(problems)
    return values
