"""Firmware interface for Redfish: versions, and updates by ``UpdateService.SimpleUpdate``, one at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from baremetal_interfaces import (
    Argument,
    FirmwareComponent,
    FirmwareInterface,
    InvalidInput,
    Kind,
    NotSupported,
    Phase,
    Problem,
    Step,
    Task,
    Wait,
    step,
)
from baremetal_interfaces.addresses import is_http_url
from baremetal_interfaces.http import ConnectFailed
from baremetal_interfaces.steady_time import steady_time
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.errors import TransportFailed
from baremetal_redfish.firmware_inventory import BIOS, BMC, FirmwareInventory, choose_target, read_inventory
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.links import follow, get_nested, get_objects, get_path, get_text, read_root
from baremetal_redfish.machine import borrow_session, translate_refusal
from baremetal_redfish.operation import TRANSIENT_ERRORS, build_state, poll_operation, read_if_available, restart, wait
from baremetal_redfish.session import RedfishSession
from baremetal_redfish.task_monitor import TaskFailed, get_poll_interval

_SETTINGS = {"settings": Argument('Updates, a list of {"component": ..., "url": ...}.', required=True)}
_SETTINGS_FORM = 'it has to be {"component": ..., "url": ...} with an http or https URL'
_MAX_KNOWN_TASKS = 200
"""Number of older tasks whose paths a step stores."""


@dataclass(frozen=True)
class UpdateLimits:
    """Time limits of firmware updates, in seconds.

    *firmware_update_timeout* limits one update, with the restart of the BMC. *firmware_poll_interval* is the time between two
    polls of a BMC that does not answer. *firmware_restart_interval* is the shortest time between two restarts of the machine,
    because the first one may still install firmware.
    """

    firmware_update_timeout: float = 3600.0
    firmware_poll_interval: float = 30.0
    firmware_restart_interval: float = 300.0


class RedfishFirmware(FirmwareInterface):
    """Reads versions of components and updates them: ``bios``, ``bmc``, and items of the firmware inventory by identifier."""

    info_type = RedfishInfo
    connector = RedfishConnector
    options_type = UpdateLimits
    options: UpdateLimits

    def get_components(self, task: Task) -> Sequence[FirmwareComponent]:
        """Read the names and current versions of all components."""
        with borrow_session(task) as session:
            versions = self._read_inventory(session, task).versions
        return [FirmwareComponent(name, version) for name, version in versions.items()]

    @step(phase=Phase.CLEAN, arguments=_SETTINGS)
    @step(phase=Phase.SERVICE, arguments=_SETTINGS)
    def update(self, task: Task, settings: Sequence[Mapping[str, Any]]) -> Wait | None:
        """Check all *settings*, start the first update, and return a Wait. Polls start the others one after the other.

        Raises InvalidInput with all problems before the first update.
        """
        with borrow_session(task) as session:
            inventory = self._read_inventory(session, task)
            left = _check_settings(settings, inventory)
            for update in left:
                choose_target(session, inventory, update["component"])
            return self._start_next(session, inventory, {"left": left})

    def poll(self, task: Task, step: Step, state: Mapping[str, Any]) -> Wait | None:
        """Poll the current update. Once it is done, restart the machine if the update needs it, and start the next update.

        Return None after the last update, else a Wait. An update whose state is unknown, or a BMC that does not answer, becomes
        a DriverError only after ``firmware_update_timeout``. The machine is not restarted before the update is done, unless the
        BMC says that the update continues at a restart.
        """
        try:
            with borrow_session(task) as session:
                return self._check_progress(session, task, dict(state))
        except TRANSIENT_ERRORS as exc:
            left = {**state, "missing": str(exc)}
            return wait(left, self.options.firmware_poll_interval, name=_describe(state))

    def _check_progress(self, session: RedfishSession, task: Task, state: dict[str, Any]) -> Wait | None:
        if not state.get("done"):
            if not state.get("monitor"):
                state = {**state, "monitor": _find_new_task(session, state)}
            unfinished = poll_operation(
                session,
                task,
                state,
                name=_describe(state),
                system_path=task.info(Kind.FIRMWARE).system_path,
                is_effective=lambda: self._is_installed(session, task, state),
            )
            if unfinished is not None:
                return unfinished
        try:
            return self._continue(session, task, state)
        except TRANSIENT_ERRORS as exc:
            # The result of a task can often be read only once, so it is stored before the next attempt.
            done = {**state, "done": True, "missing": str(exc)}
            return wait(done, self.options.firmware_poll_interval, name=_describe(state))

    def _continue(self, session: RedfishSession, task: Task, state: dict[str, Any]) -> Wait | None:
        """Restart the machine if the update that is done needs it, and start the next update."""
        if not state.get("restarted") and self._needs_restart(session, task, state):
            left_s = float(state.get("restarted_at", 0.0)) + self.options.firmware_restart_interval - steady_time()
            if left_s > 0:
                return wait({**state, "done": True}, min(left_s, self.options.firmware_restart_interval), name=_describe(state))
            path = task.info(Kind.FIRMWARE).system_path
            waiting = restart(session, task, {**state, "done": True}, name=_describe(state), system_path=path)
            if not waiting.state.get("restarted"):
                return waiting
            state = dict(waiting.state)
        if not state.get("left"):
            return None
        return self._start_next(session, self._read_inventory(session, task), state)

    def _start_next(self, session: RedfishSession, inventory: FirmwareInventory, state: Mapping[str, Any]) -> Wait:
        first, *rest = state["left"]
        service, target = _find_update_service(session)
        body: dict[str, Any] = {"ImageURI": first["url"]}
        body["TransferProtocol"] = urlsplit(first["url"]).scheme.upper()
        path = choose_target(session, inventory, first["component"])
        if path is not None:
            body["Targets"] = [path]
        next_state = {
            "component": first["component"],
            "left": rest,
            # A restart of the BMC is its own matter.
            "restarted": first["component"] == BMC,
            "versions": inventory.find_versions(first["component"]),
            "reset_time": inventory.system.get("LastResetTime"),
            "tasks": _list_tasks(session)[:_MAX_KNOWN_TASKS],
            "service_state": get_text(get_nested(service, "Oem", "Hpe", "State")),
            "restarted_at": state.get("restarted_at", 0.0),
        }
        with translate_refusal("url", urlsplit(first["url"]).hostname):
            try:
                response = session.transport.post(target, body)
            except TransportFailed as exc:
                if isinstance(exc.failure, ConnectFailed) or "component" not in state:
                    raise
                # The BMC may have started the update. A second request could start it twice.
                until = steady_time() + self.options.firmware_update_timeout
                lost = {**next_state, "monitor": None, "until": until, "missing": str(exc)}
                return Wait(poll_after=self.options.firmware_poll_interval, state=lost)
        started = build_state(response, self.options.firmware_update_timeout)
        return Wait(poll_after=get_poll_interval(response), state={**next_state, **started})

    def _read_inventory(self, session: RedfishSession, task: Task) -> FirmwareInventory:
        return read_inventory(session, session.read_document(task.info(Kind.FIRMWARE).system_path))

    def _is_installed(self, session: RedfishSession, task: Task, state: Mapping[str, Any]) -> bool:
        """Return whether the version has changed, or iLO's update service reports the end.

        It is asked only if the BMC has no task for the update. Raises TaskFailed if the update service reports an error.
        """
        service = read_if_available(lambda: follow(session, read_root(session).get("UpdateService")))
        reported = get_text(get_nested(service, "Oem", "Hpe", "State"))
        if reported == "Error" and reported != state.get("service_state"):
            said = get_nested(service, "Oem", "Hpe", "Result", "MessageId") or "no reason"
            raise TaskFailed(f"{_describe(state)} failed: the BMC's update service says: {reported}, {said}")
        if reported == "Complete" and reported != state.get("service_state"):
            return True
        return reported in (None, "Idle", "Complete") and self._has_new_version(session, task, state)

    def _has_new_version(self, session: RedfishSession, task: Task, state: Mapping[str, Any]) -> bool:
        before = state.get("versions")
        if not isinstance(before, list):
            # A step that an earlier release started has not stored the versions, so nothing can be compared.
            return False
        read = read_if_available(lambda: {"now": self._read_inventory(session, task).find_versions(str(state.get("component")))})
        now = (read or {}).get("now")
        return bool(now) and bool(before) and now != before

    def _needs_restart(self, session: RedfishSession, task: Task, state: Mapping[str, Any]) -> bool:
        """Return whether the component loads its new firmware only at a start of the machine that has not happened yet."""
        component = state.get("component")
        if component == BMC:
            return False
        system = session.read_document(task.info(Kind.FIRMWARE).system_path)
        if system.get("PowerState") == "Off":
            return False
        if not self._has_new_version(session, task, state):
            return True
        # Some services list the new BIOS before it runs. The time of the last reset tells whether it runs.
        before, now = state.get("reset_time"), system.get("LastResetTime")
        return component == BIOS and before is not None and before == now


def _describe(state: Mapping[str, Any]) -> str:
    return f"the firmware update of {state.get('component')}"


def _list_tasks(session: RedfishSession) -> list[str]:
    """Return the paths of all tasks of the service; empty if it does not list them."""
    service = read_if_available(lambda: follow(session, read_root(session).get("Tasks")))
    tasks = read_if_available(lambda: follow(session, get_nested(service, "Tasks"), large=True))
    paths = (get_path(member) for member in get_objects(get_nested(tasks, "Members")))
    return [path for path in paths if path]


def _find_new_task(session: RedfishSession, state: Mapping[str, Any]) -> str | None:
    """Return the only task that the service has started since the update. None if there is none or several."""
    known = state.get("tasks")
    if not isinstance(known, list) or len(known) >= _MAX_KNOWN_TASKS:
        return None
    new = [path for path in _list_tasks(session) if path not in known]
    return new[0] if len(new) == 1 else None


def _find_update_service(session: RedfishSession) -> tuple[dict[str, Any], str]:
    service = follow(session, read_root(session).get("UpdateService"))
    target = get_nested(service, "Actions", "#UpdateService.SimpleUpdate", "target")
    if service is None or not isinstance(target, str):
        raise NotSupported("the BMC does not support firmware updates by SimpleUpdate")
    return service, target


def _check_settings(settings: Any, inventory: FirmwareInventory) -> list[dict[str, str]]:
    if not isinstance(settings, list | tuple) or not settings:
        raise InvalidInput([Problem("settings", f"{settings!r} is not valid", 'a list of {"component": ..., "url": ...}')])
    known = {*inventory.versions, BMC} if inventory.manager_names else set(inventory.versions)
    problems: list[Problem] = []
    for index, setting in enumerate(settings):
        where = f"settings/{index}"
        url = setting.get("url") if isinstance(setting, Mapping) else None
        if not isinstance(url, str) or not is_http_url(url):
            problems.append(Problem(f"{where}/url", "is not valid", _SETTINGS_FORM))
        elif setting.get("component") not in known:
            allowed = "the components are " + ", ".join(inventory.versions)
            problems.append(Problem(f"{where}/component", f"{setting.get('component')!r} is not known", allowed))
    if problems:
        raise InvalidInput(problems)
    return [{"component": setting["component"], "url": setting["url"]} for setting in settings]
