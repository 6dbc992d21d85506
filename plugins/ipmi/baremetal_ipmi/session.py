"""Sessions at a BMC and at the controllers behind it: one login, which sends one command at a time for all of them."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from baremetal_interfaces import Busy, Deadline, DeadlineExceeded, request_slot
from baremetal_interfaces.http.socket import LOCAL_ERRNOS
from baremetal_ipmi.errors import BMCFull, CommandRefused, CommandUnanswered, IPMIError, SessionLost, TargetUnanswered
from baremetal_ipmi.route import BMC_ADDRESS, SEND_MESSAGE, Route, unwrap_response
from baremetal_ipmi.wire import Wire

IDLE_TIMEOUT_S = 50.0
"""Seconds after the last response at which a session counts as lost. The next caller logs in again.

A BMC ends a session without notice after 60 seconds of silence, plus or minus three (IPMI 2.0, 6.12.15).
"""

_MAX_ATTEMPTS = 3
_BUSY_PAUSE_RANGE_S = (0.2, 0.8)
"""Shortest and longest pause before a command is sent again that a busy BMC refused, in seconds."""
_MIN_TIME_FACTOR = 3.0
"""A command is sent only if this multiple of the typical response time is left."""
_FASTER_WEIGHT = 0.5
"""Weight of a response time below the typical one, in the moving average of the response times."""
_SLOWER_WEIGHT = 0.05
"""Weight of a response time above the typical one, in the same average."""
_MAX_TARGETS = 64
"""Maximum number of controllers whose sessions a login keeps, with what they have cached."""
_BUSY_CODES = frozenset({0xC0})
_INSUFFICIENT_PRIVILEGE = 0xD4
_TIMEOUT = 0xFFFF

_DEVICE_ID = (0x06, 0x01)
_READS = frozenset(
    {_DEVICE_ID, (0x00, 0x01), (0x00, 0x09), (0x04, 0x2D), (0x0A, 0x20), (0x0A, 0x22), (0x0A, 0x23), (0x0A, 0x42), (0x0A, 0x43)}
)
"""Network functions and numbers of commands that may be repeated in another session, because they change nothing."""
_MIN_STALE_IDLE_S = 5.0
_STALE_TIMEOUT_S = 4.0
"""Seconds to wait for the response to a read in a session that was idle. The BMC may have restarted in the meantime."""
_RESTART_ANSWER_TIMEOUT_S = 2.0
_RESTART_PROBE_TIMEOUT_S = 2.0
_RESTART_GRACE_S = 15.0
"""Seconds after which a BMC has to be silent that did not answer a reset command."""
_RESTART_PROBE_INTERVAL_S = 0.5


class IPMISession:
    """Session at one controller over a login: the BMC itself, or a controller behind it. Threads may share it."""

    def __init__(self, login: Login, route: Route | None = None) -> None:
        self._login = login
        self._route = route
        self.address = BMC_ADDRESS if route is None else route.target.address
        """IPMB address of the controller."""
        self.cache: tuple[bytes, Any] | None = None
        """Version of the sensor data records as the controller reports it, and the parsed records; None until they are read."""

    def get_for_route(self, route: Route | None) -> IPMISession:
        """Return the session at the controller at the end of *route* over the same login, or at the BMC itself for None."""
        return self._login.get_session(route)

    def request(self, netfn: int, command: int, data: Sequence[int] = (), *, deadline: Deadline) -> bytes:
        """Send one command and return the response's data after the completion code.

        Raises DeadlineExceeded or SessionLost if the command was not sent. Raises another
        :class:`~baremetal_ipmi.errors.IPMIError` if the controller refused the command or did not answer.
        """
        return self._login.request(netfn, command, data, route=self._route, deadline=deadline)

    def request_restart(self, netfn: int, command: int, *, deadline: Deadline) -> None:
        """Send a command that restarts the controller, and return when it has answered or is silent.

        Raises another :class:`~baremetal_ipmi.errors.IPMIError` if the controller refuses the command, or if it keeps
        serving the session without an answer to the command.
        """
        self._login.request_restart(netfn, command, route=self._route, deadline=deadline)

    def get_read_size(self, command: int, default: int) -> int:
        """Return the number of bytes that one read by *command* may return, which all sessions at the controller remember."""
        return self._login.traits.get_read_size((self._route, command), default)

    def set_read_size(self, command: int, size: int) -> None:
        """Remember that one read by *command* may return *size* bytes."""
        self._login.traits.set_read_size((self._route, command), size)

    def close(self, deadline: Deadline) -> None:
        """Send Close Session without waiting for the response, and release the socket."""
        self._login.close(deadline)


class Login:
    """One login at a BMC, shared by the sessions at its controllers. Commands are sent one at a time. Thread-safe."""

    def __init__(self, wire: Wire, clock: Callable[[], float] = time.monotonic) -> None:
        self._wire = wire
        self.traits = wire.traits
        self._clock = clock
        self._lock = threading.Lock()
        self._answered_at = clock()
        self._typical_s: float | None = None
        """Typical response time. It follows faster responses quickly and slower ones slowly, because outliers are frequent."""
        self._lost_reason: str | None = None
        self._closed = False
        self._sessions: dict[Route | None, IPMISession] = {}

    def get_session(self, route: Route | None = None) -> IPMISession:
        """Return the session at the controller at the end of *route*. All callers share it."""
        session = self._sessions.get(route)
        if session is None:
            session = self._sessions.setdefault(route, IPMISession(self, route))
            for other in list(self._sessions)[:-_MAX_TARGETS]:
                self._sessions.pop(other, None)
        return session

    def request(self, netfn: int, command: int, data: Sequence[int], *, route: Route | None, deadline: Deadline) -> bytes:
        """Send one command to the controller at the end of *route*, or to the BMC for None, and return the response's data.

        If the BMC is busy, the command is sent again after a short pause, three times in all. Raises BMCFull if it stays busy
        or *deadline* is near.
        """
        for _ in range(_MAX_ATTEMPTS - 1):
            try:
                return self._request_in_slot(netfn, command, data, route=route, deadline=deadline)
            except BMCFull:
                # A busy BMC accepted the command but did not run it. The pause is random so that clients do not return at once.
                pause = random.uniform(*_BUSY_PAUSE_RANGE_S)
                if deadline.remaining() <= pause:
                    raise
                time.sleep(pause)
        return self._request_in_slot(netfn, command, data, route=route, deadline=deadline)

    def _request_in_slot(
        self, netfn: int, command: int, data: Sequence[int], *, route: Route | None, deadline: Deadline
    ) -> bytes:
        with request_slot(deadline):
            if not self._lock.acquire(timeout=deadline.remaining()):
                # Neither a failure nor an answer of the BMC.
                raise Busy("the command was not sent: an earlier command is still waiting for its response; try again later")
            try:
                return self._request(netfn, command, data, route=route, deadline=deadline)
            finally:
                self._lock.release()

    def request_restart(self, netfn: int, command: int, *, route: Route | None, deadline: Deadline) -> None:
        """Send a command that restarts the controller at the end of *route*, or the BMC for None.

        A controller that restarts need not answer (IPMI 2.0, 20.2 and 20.3). Only silence after a controller that answered
        counts as a restart. The login is lost then.
        """
        self.request(*_DEVICE_ID, (), route=route, deadline=deadline)
        with request_slot(deadline):
            if not self._lock.acquire(timeout=deadline.remaining()):
                raise Busy("the BMC was not restarted: an earlier command is still waiting for its response; try again later")
            try:
                if not self._is_answered(netfn, command, route, deadline.within(_RESTART_ANSWER_TIMEOUT_S)):
                    self._wait_for_silence(route, deadline.within(_RESTART_GRACE_S))
            finally:
                self._lock.release()
            if route is None:
                self._lost_reason = "the BMC was restarted"

    def _wait_for_silence(self, route: Route | None, deadline: Deadline) -> None:
        """Return when the controller no longer answers in the session. Raises CommandUnanswered at *deadline*."""
        while deadline.remaining() > _RESTART_PROBE_TIMEOUT_S:
            self._lost_reason = None
            if not self._is_answered(*_DEVICE_ID, route, deadline.within(_RESTART_PROBE_TIMEOUT_S)):
                return
            time.sleep(min(_RESTART_PROBE_INTERVAL_S, deadline.remaining()))
        raise CommandUnanswered("the BMC did not answer the reset command and goes on as before; it may restart later")

    def _is_answered(self, netfn: int, command: int, route: Route | None, deadline: Deadline) -> bool:
        """Send one command, and return whether it was answered. Raises CommandRefused if it was refused."""
        try:
            self._request(netfn, command, (), route=route, deadline=deadline)
        except (CommandRefused, BMCFull, DeadlineExceeded):
            raise
        except IPMIError:
            self._wire.abandon_command()
            return False
        except OSError as exc:
            if exc.errno in LOCAL_ERRNOS:
                raise
            # The network reports that the port is closed or the host is away.
            return False
        return True

    def close(self, deadline: Deadline) -> None:
        """Send Close Session without waiting for the response, and release the socket."""
        has_lock = self._lock.acquire(timeout=deadline.remaining())
        try:
            # Close the session even after a lost response or a long silence. Otherwise the BMC keeps it for a minute and may
            # have no room for the next login.
            if has_lock and not self._closed:
                self._wire.deadline = deadline
                self._wire.send_close()
        finally:
            self._closed, self._lost_reason = True, "the session was closed"
            self._wire.release_socket()
            if has_lock:
                self._lock.release()

    def _request(self, netfn: int, command: int, data: Sequence[int], *, route: Route | None, deadline: Deadline) -> bytes:
        # The BMC may have ended an idle session without notice; a command would then wait in vain for its response.
        idle_s = self._clock() - self._answered_at
        if self._lost_reason is None and idle_s > IDLE_TIMEOUT_S:
            self._lost_reason = f"the session was idle for more than {IDLE_TIMEOUT_S:g} s"
        if self._lost_reason is not None:
            raise SessionLost(self._lost_reason)
        if deadline.remaining() < _MIN_TIME_FACTOR * (self._typical_s or 0.0):
            # Without time for the response the command would be lost, and the session with it.
            name = f"command {command:#04x} of network function {netfn:#04x}"
            raise DeadlineExceeded(f"{name} was not sent: too little time is left before the deadline")
        is_retryable = idle_s > _MIN_STALE_IDLE_S and (netfn, command) in _READS
        # A BMC that restarted ignores its former sessions. Time is left for a login and another attempt.
        self._wire.deadline = deadline.within(min(_STALE_TIMEOUT_S, deadline.remaining() / 2)) if is_retryable else deadline
        # Until the response arrives, the session counts as lost: a late response would be taken for that of the next command.
        self._lost_reason, began = "an earlier command of the session was not answered", self._clock()
        try:
            response = self._wire.raw_command(netfn=netfn, command=command, data=tuple(data), bridge_request=route)
        except TargetUnanswered as exc:
            # The BMC answered, so the session stays valid for the BMC and its other controllers.
            self._lost_reason, self._answered_at = None, self._clock()
            raise TargetUnanswered(f"{exc}: {route}") from None
        except CommandUnanswered:
            if is_retryable:
                raise SessionLost(f"the BMC did not answer in a session that was idle for {idle_s:.0f} s") from None
            raise
        if response["code"] == _TIMEOUT:
            if is_retryable:
                raise SessionLost(f"the BMC did not answer in a session that was idle for {idle_s:.0f} s")
            name = f"command {command:#04x} of network function {netfn:#04x}"
            raise CommandUnanswered(f"the BMC did not answer {name}, and may have carried it out")
        self._lost_reason = None
        self._answered_at = self._clock()
        self._update_typical_time(self._answered_at - began)
        if route is not None and response["command"] == SEND_MESSAGE and command != SEND_MESSAGE:
            response = unwrap_response(response, route)
        return _get_data(response)

    def _update_typical_time(self, seconds: float) -> None:
        if self._typical_s is None:
            self._typical_s = seconds
        weight = _FASTER_WEIGHT if seconds < self._typical_s else _SLOWER_WEIGHT
        self._typical_s += weight * (seconds - self._typical_s)


def _get_data(response: dict[str, Any]) -> bytes:
    code = response["code"]
    if code in _BUSY_CODES:
        raise BMCFull(response["error"])
    if code:
        advice = "; set ipmi_priv_level to a higher level" if code == _INSUFFICIENT_PRIVILEGE else ""
        raise CommandRefused(code, f"{response['error']} (completion code {code:#04x}){advice}")
    return bytes(response["data"])
