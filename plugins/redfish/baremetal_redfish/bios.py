"""BIOS interface for Redfish: reads and changes the attributes of a system's ``Bios`` resource.

A service keeps changed settings for the next boot. A change is therefore a request, a reboot, and polls until the
settings are in effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sushy.exceptions

from baremetal_interfaces import (
    Argument,
    BIOSInterface,
    BIOSSetting,
    DriverError,
    InvalidInput,
    Kind,
    NotSupported,
    Phase,
    PowerState,
    Problem,
    Step,
    Task,
    Wait,
    step,
)
from baremetal_interfaces.steady_time import steady_time
from baremetal_redfish.bios_registry import AttributeRules, parse_settings
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.links import follow, get_nested, get_path
from baremetal_redfish.machine import borrow_session, translate_refusal
from baremetal_redfish.session import RedfishSession

_SETTINGS = {"settings": Argument('Settings to change, a list of {"name": ..., "value": ...}.', required=True)}


@dataclass(frozen=True)
class BIOSLimits:
    """Time limits of a change of BIOS settings, in seconds.

    *bios_apply_timeout* is the time after the reboot in which the new settings must be in effect. *bios_poll_interval* is the
    time between two polls.
    """

    bios_apply_timeout: float = 1800.0
    bios_poll_interval: float = 15.0


class RedfishBIOS(BIOSInterface):
    """Reads and changes the attributes of a system's ``Bios`` resource."""

    info_type = RedfishInfo
    connector = RedfishConnector
    options_type = BIOSLimits
    options: BIOSLimits

    def get_settings(self, task: Task) -> Sequence[BIOSSetting]:
        """Read all BIOS attributes, with types and allowed values if the service has an attribute registry."""
        with borrow_session(task) as session:
            bios = self._read_bios(session, task)
            rules = AttributeRules.read(session, bios.get("AttributeRegistry"))
        return [rules.setting(name, value) for name, value in _get_attributes(bios).items()]

    @step(phase=Phase.CLEAN, arguments=_SETTINGS)
    @step(phase=Phase.DEPLOY, arguments=_SETTINGS)
    @step(phase=Phase.SERVICE, arguments=_SETTINGS)
    def apply_configuration(self, task: Task, settings: Sequence[Mapping[str, Any]]) -> Wait | None:
        """Request the settings that differ, reboot the machine, and return a Wait for polls until they are in effect.

        Return None, without a reboot, if no setting differs. Raises InvalidInput with all problems before the first change.
        """
        with borrow_session(task) as session:
            bios = self._read_bios(session, task)
            current = _get_attributes(bios)
            wanted = parse_settings(settings, current, AttributeRules.read(session, bios.get("AttributeRegistry")))
            changed = {name: value for name, value in wanted.items() if current.get(name) != value}
            if not changed:
                return None
            with translate_refusal("settings", ", ".join(changed)):
                session.transport.change(_get_settings_path(bios), {"Attributes": changed})
        return self._reboot(task, {"wanted": changed})

    @step(phase=Phase.CLEAN)
    @step(phase=Phase.DEPLOY)
    @step(phase=Phase.SERVICE)
    def factory_reset(self, task: Task) -> Wait | None:
        """Request the reset of all attributes to their defaults, reboot, and return a Wait for a poll that reads them again."""
        with borrow_session(task) as session:
            target = get_nested(self._read_bios(session, task), "Actions", "#Bios.ResetBios", "target")
            if not isinstance(target, str):
                raise NotSupported("the BMC cannot reset the BIOS settings of this system")
            try:
                session.transport.post(target, {})
            except sushy.exceptions.HTTPError as exc:
                if exc.status_code not in (400, 415):
                    raise
                # Some services refuse the empty JSON body that others require.
                session.transport.post(target)
        return self._reboot(task, {"wanted": {}})

    def poll(self, task: Task, step: Step, state: Mapping[str, Any]) -> Wait | None:
        """Return None if the requested settings are in effect, else a Wait. Raises DriverError after ``bios_apply_timeout``."""
        with borrow_session(task) as session:
            current = _get_attributes(self._read_bios(session, task))
        missing = [name for name, value in state.get("wanted", {}).items() if current.get(name) != value]
        if not missing:
            return None
        if steady_time() > float(state.get("until", 0.0)):
            waited = f"{self.options.bios_apply_timeout:g} s"
            raise DriverError(f"the BIOS settings {', '.join(missing)} are not in effect {waited} after the reboot")
        return Wait(poll_after=self.options.bios_poll_interval, state=dict(state))

    def _reboot(self, task: Task, state: dict[str, Any]) -> Wait:
        task.power.set(PowerState.REBOOT)
        until = steady_time() + self.options.bios_apply_timeout
        return Wait(poll_after=self.options.bios_poll_interval, state={**state, "until": until})

    def _read_bios(self, session: RedfishSession, task: Task) -> dict[str, Any]:
        found = follow(session, session.read_document(task.info(Kind.BIOS).system_path).get("Bios"))
        if found is None or not isinstance(found.get("Attributes"), dict):
            raise NotSupported("the BMC offers no BIOS settings for this system")
        return found


def _get_attributes(bios: Mapping[str, Any]) -> dict[str, Any]:
    return dict(bios["Attributes"])


def _get_settings_path(bios: Mapping[str, Any]) -> str:
    """Return the path of the resource that takes the settings for the next boot. Raises InvalidInput if there is none."""
    path = get_path(get_nested(bios, "@Redfish.Settings", "SettingsObject"))
    if path is None:
        raise InvalidInput([Problem("settings", "cannot be changed at this system", "its BIOS resource has no settings object")])
    return path
