"""BIOS settings. A service keeps them for the next boot, so a change is a request, a reboot, and looks at what became of it."""

from __future__ import annotations

import time
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
from baremetal_redfish.bios_registry import AttributeRules, typed_settings
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.links import below, follow, path_of
from baremetal_redfish.machine import blaming, borrowed
from baremetal_redfish.session import RedfishSession

_SETTINGS = {"settings": Argument('The settings, a list of {"name": ..., "value": ...}.', required=True)}


@dataclass(frozen=True)
class BIOSLimits:
    """How long a machine may take to start and to show its new settings, and how often it is looked at; in seconds."""

    bios_apply_timeout: float = 1800.0
    bios_poll_interval: float = 15.0


class RedfishBIOS(BIOSInterface):
    """Reads and changes the attributes of a system's ``Bios`` resource."""

    info_type = RedfishInfo
    connector = RedfishConnector
    options_type = BIOSLimits
    options: BIOSLimits

    def get_settings(self, task: Task) -> Sequence[BIOSSetting]:
        """All attributes, with what they may be where the service has a registry of them."""
        with borrowed(task) as session:
            bios = self._bios(session, task)
            rules = AttributeRules.read(session, bios.get("AttributeRegistry"))
        return [rules.setting(name, value) for name, value in _attributes(bios).items()]

    @step(phase=Phase.CLEAN, arguments=_SETTINGS)
    @step(phase=Phase.DEPLOY, arguments=_SETTINGS)
    @step(phase=Phase.SERVICE, arguments=_SETTINGS)
    def apply_configuration(self, task: Task, settings: Sequence[Mapping[str, Any]]) -> Wait | None:
        """Set what is different, reboot, and wait until the attributes show it."""
        with borrowed(task) as session:
            bios = self._bios(session, task)
            current = _attributes(bios)
            wanted = typed_settings(settings, current, AttributeRules.read(session, bios.get("AttributeRegistry")))
            changed = {name: value for name, value in wanted.items() if current.get(name) != value}
            if not changed:
                return None
            with blaming("settings", ", ".join(changed)):
                session.transport.change(_pending(bios), {"Attributes": changed})
        return self._reboot(task, {"wanted": changed})

    @step(phase=Phase.CLEAN)
    @step(phase=Phase.DEPLOY)
    @step(phase=Phase.SERVICE)
    def factory_reset(self, task: Task) -> Wait | None:
        """Put all attributes back, reboot, and wait until the service can be asked for them again."""
        with borrowed(task) as session:
            target = below(self._bios(session, task), "Actions", "#Bios.ResetBios", "target")
            if not isinstance(target, str):
                raise NotSupported("the BMC offers no reset of the BIOS settings of this system")
            try:
                session.transport.post(target, {})
            except sushy.exceptions.HTTPError as exc:
                if exc.status_code not in (400, 415):
                    raise
                # Some services refuse the body that others ask for.
                session.transport.post(target)
        return self._reboot(task, {"wanted": {}})

    def poll(self, task: Task, step: Step, state: Mapping[str, Any]) -> Wait | None:
        """See whether the machine has started with what was wanted."""
        with borrowed(task) as session:
            current = _attributes(self._bios(session, task))
        missing = [name for name, value in state.get("wanted", {}).items() if current.get(name) != value]
        if not missing:
            return None
        if time.time() > float(state.get("until", 0.0)):
            waited = f"{self.options.bios_apply_timeout:g} s"
            raise DriverError(f"the BIOS settings {', '.join(missing)} are not in effect {waited} after the reboot")
        return Wait(poll_after=self.options.bios_poll_interval, state=dict(state))

    def _reboot(self, task: Task, state: dict[str, Any]) -> Wait:
        task.power.set(PowerState.REBOOT)
        until = time.time() + self.options.bios_apply_timeout
        return Wait(poll_after=self.options.bios_poll_interval, state={**state, "until": until})

    def _bios(self, session: RedfishSession, task: Task) -> dict[str, Any]:
        found = follow(session, session.document(task.info(Kind.BIOS).system_path).get("Bios"))
        if found is None or not isinstance(found.get("Attributes"), dict):
            raise NotSupported("the BMC offers no BIOS settings for this system")
        return found


def _attributes(bios: Mapping[str, Any]) -> dict[str, Any]:
    return dict(bios["Attributes"])


def _pending(bios: Mapping[str, Any]) -> str:
    """The resource that takes the settings of the next boot."""
    path = path_of(below(bios, "@Redfish.Settings", "SettingsObject"))
    if path is None:
        raise InvalidInput([Problem("settings", "cannot be changed at this system", "its BIOS resource has no settings object")])
    return path
