"""Firmware interface for Redfish: versions, and updates by ``UpdateService.SimpleUpdate``, one at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import sushy.exceptions

from baremetal_interfaces import (
    Argument,
    BMCBusy,
    BMCUnreachable,
    DriverError,
    FirmwareComponent,
    FirmwareInterface,
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
from baremetal_interfaces.addresses import is_http_url
from baremetal_interfaces.http import HTTPSessionError
from baremetal_interfaces.steady_time import steady_time
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.links import follow, get_nested, get_objects, get_path, get_text, iterate_members, read_root
from baremetal_redfish.machine import borrow_session, translate_refusal
from baremetal_redfish.related_resources import find_managers
from baremetal_redfish.session import RedfishSession
from baremetal_redfish.task_monitor import get_monitor, get_poll_interval, poll_monitor

_SETTINGS = {"settings": Argument('Updates, a list of {"component": ..., "url": ...}.', required=True)}
_SETTINGS_FORM = 'it has to be {"component": ..., "url": ...} with an http or https URL'
_BIOS, _BMC = "bios", "bmc"
_TRANSIENT_ERRORS = (sushy.exceptions.ConnectionError, HTTPSessionError, BMCUnreachable, BMCBusy)


@dataclass(frozen=True)
class UpdateLimits:
    """Time limits of firmware updates, in seconds.

    *firmware_update_timeout* limits one update, with the restart of the BMC. *firmware_poll_interval* is the time between two
    polls of a BMC that does not answer.
    """

    firmware_update_timeout: float = 3600.0
    firmware_poll_interval: float = 30.0


class RedfishFirmware(FirmwareInterface):
    """Reads versions of components and updates them: ``bios``, ``bmc``, and items of the firmware inventory by identifier."""

    info_type = RedfishInfo
    connector = RedfishConnector
    options_type = UpdateLimits
    options: UpdateLimits

    def get_components(self, task: Task) -> Sequence[FirmwareComponent]:
        """Read the names and current versions of all components."""
        with borrow_session(task) as session:
            versions = self._read_versions(session, task)
        return [FirmwareComponent(name, version) for name, version in versions.items()]

    @step(phase=Phase.CLEAN, arguments=_SETTINGS)
    @step(phase=Phase.SERVICE, arguments=_SETTINGS)
    def update(self, task: Task, settings: Sequence[Mapping[str, Any]]) -> Wait | None:
        """Check all *settings*, start the first update, and return a Wait. Polls start the others one after the other.

        Raises InvalidInput with all problems before the first update.
        """
        with borrow_session(task) as session:
            left = _check_settings(settings, self._read_versions(session, task))
            return self._start_next(session, task, left)

    def poll(self, task: Task, step: Step, state: Mapping[str, Any]) -> Wait | None:
        """Poll the current update. Once it is done, restart the machine (not after an update of the BMC) and start the next.

        Return None after the last update, else a Wait. A BMC that does not answer may be restarting; that becomes a DriverError
        only after ``firmware_update_timeout``.
        """
        try:
            with borrow_session(task) as session:
                return self._check_progress(session, task, state)
        except _TRANSIENT_ERRORS as exc:
            if steady_time() > float(state.get("until", 0.0)):
                raise DriverError(f"the firmware update of {state.get('component')} did not finish in time: {exc}") from None
            return Wait(poll_after=self.options.firmware_poll_interval, state=dict(state))

    def _check_progress(self, session: RedfishSession, task: Task, state: Mapping[str, Any]) -> Wait | None:
        monitor, left = state.get("monitor"), list(state.get("left", ()))
        if monitor:
            progress = poll_monitor(session, str(monitor))
            if not progress.is_done and steady_time() > float(state.get("until", 0.0)):
                raise DriverError(f"the firmware update of {state.get('component')} did not finish in time")
            if not progress.is_done:
                return Wait(poll_after=progress.poll_after, state=dict(state))
        if state.get("component") != _BMC:
            # Components other than the BMC load their new firmware when the machine starts.
            task.power.set(PowerState.REBOOT)
        return self._start_next(session, task, left) if left else None

    def _start_next(self, session: RedfishSession, task: Task, left: list[dict[str, str]]) -> Wait:
        first, *rest = left
        service, target = _find_update_service(session)
        body: dict[str, Any] = {"ImageURI": first["url"]}
        body["TransferProtocol"] = urlsplit(first["url"]).scheme.upper()
        path = self._find_target(session, task, service, first["component"])
        if path is not None:
            body["Targets"] = [path]
        with translate_refusal("url", urlsplit(first["url"]).hostname):
            response = session.transport.post(target, body)
        until = steady_time() + self.options.firmware_update_timeout
        state = {"component": first["component"], "monitor": get_monitor(response), "left": rest, "until": until}
        return Wait(poll_after=get_poll_interval(response), state=state)

    def _read_versions(self, session: RedfishSession, task: Task) -> dict[str, str | None]:
        system = session.read_document(task.info(Kind.FIRMWARE).system_path)
        found: dict[str, str | None] = {}
        if get_text(system.get("BiosVersion")):
            found[_BIOS] = get_text(system.get("BiosVersion"))
        for manager in find_managers(session, system):
            if get_text(manager.get("FirmwareVersion")):
                found.setdefault(_BMC, get_text(manager.get("FirmwareVersion")))
        service = follow(session, read_root(session).get("UpdateService"))
        for item in self._read_inventory(session, system, get_nested(service, "FirmwareInventory")):
            found.setdefault(str(item["Id"]), get_text(item.get("Version")))
        return found

    def _read_inventory(self, session: RedfishSession, system: Mapping[str, Any], inventory: Any) -> list[dict[str, Any]]:
        """Return the documents of the inventory's items, without those that belong to another system."""
        mine = get_path(system)
        kept = []
        for item in iterate_members(session, inventory):
            related = [get_path(reference) for reference in get_objects(item.get("RelatedItem"))]
            others = [path for path in related if path and "/Systems/" in path and not (mine and path.startswith(mine))]
            if get_text(item.get("Id")) and not others:
                kept.append(item)
        return kept

    def _find_target(self, session: RedfishSession, task: Task, service: Mapping[str, Any], component: str) -> str | None:
        """Return the path of the inventory item with the identifier or name *component*, or None unless exactly one has it."""
        system = session.read_document(task.info(Kind.FIRMWARE).system_path)
        items = self._read_inventory(session, system, service.get("FirmwareInventory"))
        names = {get_path(item): (str(item.get("Id")).lower(), str(item.get("Name")).lower()) for item in items}
        found = [path for path, aliases in names.items() if component.lower() in aliases]
        return found[0] if len(found) == 1 else None


def _find_update_service(session: RedfishSession) -> tuple[dict[str, Any], str]:
    service = follow(session, read_root(session).get("UpdateService"))
    target = get_nested(service, "Actions", "#UpdateService.SimpleUpdate", "target")
    if service is None or not isinstance(target, str):
        raise NotSupported("the BMC does not support firmware updates by SimpleUpdate")
    return service, target


def _check_settings(settings: Any, known: Mapping[str, Any]) -> list[dict[str, str]]:
    if not isinstance(settings, list | tuple) or not settings:
        raise InvalidInput([Problem("settings", f"{settings!r} is not valid", 'a list of {"component": ..., "url": ...}')])
    problems: list[Problem] = []
    for index, setting in enumerate(settings):
        where = f"settings/{index}"
        url = setting.get("url") if isinstance(setting, Mapping) else None
        if not isinstance(url, str) or not is_http_url(url):
            problems.append(Problem(f"{where}/url", "is not valid", _SETTINGS_FORM))
        elif setting.get("component") not in known:
            allowed = "the components are " + ", ".join(known)
            problems.append(Problem(f"{where}/component", f"{setting.get('component')!r} is not known", allowed))
    if problems:
        raise InvalidInput(problems)
    return [{"component": setting["component"], "url": setting["url"]} for setting in settings]
