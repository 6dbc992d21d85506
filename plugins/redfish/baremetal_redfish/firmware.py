"""Firmware: the versions that the service tells, and updates by ``UpdateService.SimpleUpdate``, one after the other."""

from __future__ import annotations

import time
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
from baremetal_interfaces.http import HTTPSessionError
from baremetal_redfish.background import look, monitor_of, poll_after
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.links import below, follow, listed, members, path_of, root, text_of
from baremetal_redfish.machine import blaming, borrowed
from baremetal_redfish.neighbours import managers_of
from baremetal_redfish.session import RedfishSession

_SETTINGS = {"settings": Argument('The updates, a list of {"component": ..., "url": ...}.', required=True)}
_FORM = 'it has to be {"component": ..., "url": ...} with a URL of http or https'
_BIOS, _BMC = "bios", "bmc"
_AWAY = (sushy.exceptions.ConnectionError, HTTPSessionError, BMCUnreachable, BMCBusy)


@dataclass(frozen=True)
class UpdateLimits:
    """How long one update may take, restart of the BMC included, and how often it is looked at; in seconds."""

    firmware_update_timeout: float = 3600.0
    firmware_poll_interval: float = 30.0


class RedfishFirmware(FirmwareInterface):
    """``bios``, ``bmc``, and what else the inventory of the update service lists, by its identifier there."""

    info_type = RedfishInfo
    connector = RedfishConnector
    options_type = UpdateLimits
    options: UpdateLimits

    def get_components(self, task: Task) -> Sequence[FirmwareComponent]:
        """The components and their versions."""
        with borrowed(task) as session:
            versions = self._versions(session, task)
        return [FirmwareComponent(name, version) for name, version in versions.items()]

    @step(phase=Phase.CLEAN, arguments=_SETTINGS)
    @step(phase=Phase.SERVICE, arguments=_SETTINGS)
    def update(self, task: Task, settings: Sequence[Mapping[str, Any]]) -> Wait | None:
        """Check all updates, begin with the first, and go on by polls."""
        with borrowed(task) as session:
            left = _checked(settings, self._versions(session, task))
            return self._begin(session, task, left)

    def poll(self, task: Task, step: Step, state: Mapping[str, Any]) -> Wait | None:
        """See how the update at hand is getting on; after it restart the machine, or begin the next.

        A BMC that does not answer meanwhile is one that restarts: that is an error only when the time is over.
        """
        try:
            with borrowed(task) as session:
                return self._look(session, task, state)
        except _AWAY as exc:
            if time.time() > float(state.get("until", 0.0)):
                raise DriverError(f"the update of {state.get('component')} is not over in time: {exc}") from None
            return Wait(poll_after=self.options.firmware_poll_interval, state=dict(state))

    def _look(self, session: RedfishSession, task: Task, state: Mapping[str, Any]) -> Wait | None:
        monitor, left = state.get("monitor"), list(state.get("left", ()))
        if monitor:
            progress = look(session, str(monitor))
            if not progress.over and time.time() > float(state.get("until", 0.0)):
                raise DriverError(f"the update of {state.get('component')} is not over in time")
            if not progress.over:
                return Wait(poll_after=progress.poll_after, state=dict(state))
        if state.get("component") != _BMC:
            # Other parts than the BMC take their new firmware when the machine starts.
            task.power.set(PowerState.REBOOT)
        return self._begin(session, task, left) if left else None

    def _begin(self, session: RedfishSession, task: Task, left: list[dict[str, str]]) -> Wait:
        first, *rest = left
        service, target = _update_service(session)
        body: dict[str, Any] = {"ImageURI": first["url"]}
        body["TransferProtocol"] = urlsplit(first["url"]).scheme.upper()
        path = self._target(session, task, service, first["component"])
        if path is not None:
            body["Targets"] = [path]
        with blaming("url", urlsplit(first["url"]).hostname):
            answer = session.transport.post(target, body)
        until = time.time() + self.options.firmware_update_timeout
        state = {"component": first["component"], "monitor": monitor_of(answer), "left": rest, "until": until}
        return Wait(poll_after=poll_after(answer), state=state)

    def _versions(self, session: RedfishSession, task: Task) -> dict[str, str | None]:
        system = session.document(task.info(Kind.FIRMWARE).system_path)
        found: dict[str, str | None] = {}
        if text_of(system.get("BiosVersion")):
            found[_BIOS] = text_of(system.get("BiosVersion"))
        for manager in managers_of(session, system):
            if text_of(manager.get("FirmwareVersion")):
                found.setdefault(_BMC, text_of(manager.get("FirmwareVersion")))
        service = follow(session, root(session).get("UpdateService"))
        for item in self._items(session, system, below(service, "FirmwareInventory")):
            found.setdefault(str(item["Id"]), text_of(item.get("Version")))
        return found

    def _items(self, session: RedfishSession, system: Mapping[str, Any], inventory: Any) -> list[dict[str, Any]]:
        """The items of the inventory that are not said to belong to another system."""
        mine = path_of(system)
        kept = []
        for item in members(session, inventory):
            related = [path_of(one) for one in listed(item.get("RelatedItem"))]
            others = [one for one in related if one and "/Systems/" in one and not (mine and one.startswith(mine))]
            if text_of(item.get("Id")) and not others:
                kept.append(item)
        return kept

    def _target(self, session: RedfishSession, task: Task, service: Mapping[str, Any], component: str) -> str | None:
        """What of the inventory the update is for, where exactly one item says that it is *component*."""
        system = session.document(task.info(Kind.FIRMWARE).system_path)
        items = self._items(session, system, service.get("FirmwareInventory"))
        names = {path_of(one): (str(one.get("Id")).lower(), str(one.get("Name")).lower()) for one in items}
        found = [path for path, said in names.items() if component.lower() in said]
        return found[0] if len(found) == 1 else None


def _update_service(session: RedfishSession) -> tuple[dict[str, Any], str]:
    service = follow(session, root(session).get("UpdateService"))
    target = below(service, "Actions", "#UpdateService.SimpleUpdate", "target")
    if service is None or not isinstance(target, str):
        raise NotSupported("the BMC offers no update by SimpleUpdate")
    return service, target


def _checked(settings: Any, known: Mapping[str, Any]) -> list[dict[str, str]]:
    if not isinstance(settings, list | tuple) or not settings:
        raise InvalidInput([Problem("settings", f"{settings!r} is not valid", 'a list of {"component": ..., "url": ...}')])
    problems: list[Problem] = []
    for index, one in enumerate(settings):
        where = f"settings/{index}"
        url = one.get("url") if isinstance(one, Mapping) else None
        if not isinstance(url, str) or urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            problems.append(Problem(f"{where}/url", "is not valid", _FORM))
        elif one.get("component") not in known:
            allowed = "known are " + ", ".join(known)
            problems.append(Problem(f"{where}/component", f"{one.get('component')!r} is not known", allowed))
    if problems:
        raise InvalidInput(problems)
    return [{"component": one["component"], "url": one["url"]} for one in settings]
