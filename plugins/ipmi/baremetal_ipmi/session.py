"""A session at a BMC: one command after the other, each with a deadline."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from baremetal_interfaces import Deadline, DeadlineExceeded, in_turn
from baremetal_ipmi.errors import BMCFull, CommandRefused, IPMIError, NoAnswer, SessionLost
from baremetal_ipmi.wire import Wire

IDLE_SECONDS = 50.0
"""A BMC ends a session that was idle for 60 seconds, give or take three (IPMI 2.0, 6.12.15), and says nothing about it."""

BMC_ADDRESS = 0x20
_TRIES = 3
_AFTER_BUSY = (0.2, 0.8)
"""Seconds until a command is sent again that the BMC was too busy for."""
_ROOM_FOR_AN_ANSWER, _WEIGHT = 3.0, 0.2
_BUSY_CODES = frozenset({0xC0})
_TIMEOUT = 0xFFFF
_SEND_MESSAGE = 0x34


class Controller(NamedTuple):
    """A controller behind a BMC: the channel that it is on, and its address there (IPMI 2.0, chapter 6.3)."""

    channel: int
    address: int


class IPMISession:
    """What a connector opens. Threads may share it; their commands wait for each other.

    They are for the BMC itself, or for the *controller* that it is to hand them on to.
    """

    def __init__(self, wire: Wire, clock: Callable[[], float] = time.monotonic, controller: Controller | None = None) -> None:
        self._wire = wire
        self._controller = controller
        self.address = BMC_ADDRESS if controller is None else controller.address
        """The address of who is asked."""
        self._clock = clock
        self._lock = threading.Lock()
        self._answered_at = clock()
        self._usual = 0.0
        """Seconds in which a command is answered."""
        self._lost: str | None = None
        self._closed = False
        self.kept: tuple[bytes, Any] | None = None
        """What was read once and does not change, with the BMC's own word for its version."""

    def request(self, netfn: int, command: int, data: Sequence[int] = (), *, deadline: Deadline) -> bytes:
        """Send one command and give back what follows the completion code.

        Raises :class:`~baremetal_ipmi.errors.IPMIError`: a subclass that says what went wrong.
        """
        for _ in range(_TRIES - 1):
            try:
                return self._in_turn(netfn, command, data, deadline)
            except BMCFull:
                # It took the command and did nothing. That all come back at the same moment would not help it.
                pause = random.uniform(*_AFTER_BUSY)
                if deadline.remaining() <= pause:
                    raise
                time.sleep(pause)
        return self._in_turn(netfn, command, data, deadline)

    def _in_turn(self, netfn: int, command: int, data: Sequence[int], deadline: Deadline) -> bytes:
        with in_turn(deadline):
            if not self._lock.acquire(timeout=deadline.remaining()):
                raise NoAnswer("another command is still waiting for its answer")
            try:
                return self._request(netfn, command, data, deadline)
            finally:
                self._lock.release()

    def close(self, deadline: Deadline) -> None:
        """Tell the BMC that the session is over, without waiting for what it says, and give back the socket."""
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

    def _request(self, netfn: int, command: int, data: Sequence[int], deadline: Deadline) -> bytes:
        if self._lost is None and self._clock() - self._answered_at > IDLE_SECONDS:
            self._lost = f"the session was idle for more than {IDLE_SECONDS:g} s"
        if self._lost is not None:
            raise SessionLost(self._lost)
        if deadline.remaining() < _ROOM_FOR_AN_ANSWER * self._usual:
            # Nobody would be there to hear the answer, and the session would be lost with it.
            raise DeadlineExceeded(f"there is no time left for command {command:#04x} of {netfn:#04x}")
        self._wire.deadline = deadline
        # Until it is answered, an answer may still be on its way and would be taken for that to the next command.
        self._lost, began = "an earlier command was not answered", self._clock()
        response = self._wire.raw_command(netfn=netfn, command=command, data=tuple(data), bridge_request=self._bridge)
        if response["code"] == _TIMEOUT:
            raise NoAnswer(f"no answer to command {command:#04x} of {netfn:#04x}")
        self._lost = None
        self._answered_at = self._clock()
        self._usual += _WEIGHT * (self._answered_at - began - self._usual)
        if self._controller is not None and response["command"] == _SEND_MESSAGE and command != _SEND_MESSAGE:
            raise IPMIError(
                f"the BMC cannot reach the controller {self._controller.address:#04x} on channel {self._controller.channel} "
                f"(completion code {response['code']:#04x})"
            )
        return _content(response)

    @property
    def _bridge(self) -> dict[str, int] | None:
        return None if self._controller is None else {"addr": self._controller.address, "channel": self._controller.channel}


def _content(response: dict[str, Any]) -> bytes:
    code = response["code"]
    if code in _BUSY_CODES:
        raise BMCFull(response["error"])
    if code:
        raise CommandRefused(code, f"{response['error']} (completion code {code:#04x})")
    return bytes(response["data"])
