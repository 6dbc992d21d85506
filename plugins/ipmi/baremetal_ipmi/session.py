"""A session at a BMC, or at a controller behind it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from baremetal_interfaces import Deadline, DeadlineExceeded, request_slot
from baremetal_ipmi.errors import BMCFull, CommandRefused, NoAnswer, SessionLost
from baremetal_ipmi.route import BMC_ADDRESS, SEND_MESSAGE, Route, unwrapped
from baremetal_ipmi.wire import Wire

IDLE_SECONDS = 50.0
"""A BMC ends a session that was idle for 60 seconds, give or take three (IPMI 2.0, 6.12.15), and says nothing about it."""

_TRIES = 3
_AFTER_BUSY = (0.2, 0.8)
"""Seconds until a command is sent again that the BMC was too busy for."""
_ROOM_FOR_AN_ANSWER = 3.0
_QUICKER, _SLOWER = 0.5, 0.05
"""How much of what one command took is learnt from it."""
_BUSY_CODES = frozenset({0xC0})
_TIMEOUT = 0xFFFF


class IPMISession:
    """What a connector opens: who is asked over a login, the BMC itself or what is behind it. Threads may share it."""

    def __init__(self, login: Login, route: Route | None = None) -> None:
        self._login = login
        self._route = route
        self.address = BMC_ADDRESS if route is None else route.target.address
        """The address of who is asked."""
        self.kept: tuple[bytes, Any] | None = None
        """What was read once and does not change, with the word for its version of who was asked."""

    def towards(self, route: Route | None) -> IPMISession:
        """The session at the controller at the end of *route*, over the same login; None: the BMC itself."""
        return self._login.session(route)

    def request(self, netfn: int, command: int, data: Sequence[int] = (), *, deadline: Deadline) -> bytes:
        """Send one command and give back what follows the completion code.

        Raises :class:`~baremetal_ipmi.errors.IPMIError`: a subclass that says what went wrong.
        """
        return self._login.request(netfn, command, data, self._route, deadline)

    def close(self, deadline: Deadline) -> None:
        """Tell the BMC that the login is over, without waiting for what it says, and give back the socket."""
        self._login.close(deadline)


class Login:
    """One login at a BMC: one command after the other, each with a deadline."""

    def __init__(self, wire: Wire, clock: Callable[[], float] = time.monotonic) -> None:
        self._wire = wire
        self._clock = clock
        self._lock = threading.Lock()
        self._answered_at = clock()
        self._usual: float | None = None
        """Seconds in which a command is answered at best; one that took longer once says little about the next."""
        self._lost: str | None = None
        self._closed = False
        self._sessions: dict[Route | None, IPMISession] = {}

    def session(self, route: Route | None = None) -> IPMISession:
        """The session of whoever asks the controller at the end of *route*; all have the same one."""
        return self._sessions.get(route) or self._sessions.setdefault(route, IPMISession(self, route))

    def request(self, netfn: int, command: int, data: Sequence[int], route: Route | None, deadline: Deadline) -> bytes:
        """Send one command along *route*; again where the BMC was too busy for it."""
        for _ in range(_TRIES - 1):
            try:
                return self._in_turn(netfn, command, data, route, deadline)
            except BMCFull:
                # It took the command and did nothing. That all come back at the same moment would not help it.
                pause = random.uniform(*_AFTER_BUSY)
                if deadline.remaining() <= pause:
                    raise
                time.sleep(pause)
        return self._in_turn(netfn, command, data, route, deadline)

    def _in_turn(self, netfn: int, command: int, data: Sequence[int], route: Route | None, deadline: Deadline) -> bytes:
        with request_slot(deadline):
            if not self._lock.acquire(timeout=deadline.remaining()):
                raise NoAnswer("another command is still waiting for its answer")
            try:
                return self._request(netfn, command, data, route, deadline)
            finally:
                self._lock.release()

    def close(self, deadline: Deadline) -> None:
        """Tell the BMC that the login is over, without waiting for what it says, and give back the socket."""
        mine = self._lock.acquire(timeout=deadline.remaining())
        try:
            # Also where an answer did not come, or much time has gone by: else the BMC keeps the session for a minute, and
            # may have no room for the next one.
            if mine and not self._closed:
                self._wire.deadline = deadline
                self._wire.say_goodbye()
        finally:
            self._closed, self._lost = True, "the session was closed"
            self._wire.free()
            if mine:
                self._lock.release()

    def _request(self, netfn: int, command: int, data: Sequence[int], route: Route | None, deadline: Deadline) -> bytes:
        if self._lost is None and self._clock() - self._answered_at > IDLE_SECONDS:
            self._lost = f"the session was idle for more than {IDLE_SECONDS:g} s"
        if self._lost is not None:
            raise SessionLost(self._lost)
        if deadline.remaining() < _ROOM_FOR_AN_ANSWER * (self._usual or 0.0):
            # Nobody would be there to hear the answer, and the session would be lost with it.
            raise DeadlineExceeded(f"there is no time left for command {command:#04x} of {netfn:#04x}")
        self._wire.deadline = deadline
        # Until it is answered, an answer may still be on its way and would be taken for that to the next command.
        self._lost, began = "an earlier command was not answered", self._clock()
        response = self._wire.raw_command(netfn=netfn, command=command, data=tuple(data), bridge_request=route)
        if response["code"] == _TIMEOUT:
            raise NoAnswer(f"no answer to command {command:#04x} of {netfn:#04x}")
        self._lost = None
        self._answered_at = self._clock()
        self._learn(self._answered_at - began)
        if route is not None and response["command"] == SEND_MESSAGE and command != SEND_MESSAGE:
            response = unwrapped(response, route)
        return _content(response)

    def _learn(self, seconds: float) -> None:
        usual = seconds if self._usual is None else self._usual
        self._usual = usual + (_QUICKER if seconds < usual else _SLOWER) * (seconds - usual)


def _content(response: dict[str, Any]) -> bytes:
    code = response["code"]
    if code in _BUSY_CODES:
        raise BMCFull(response["error"])
    if code:
        raise CommandRefused(code, f"{response['error']} (completion code {code:#04x})")
    return bytes(response["data"])
