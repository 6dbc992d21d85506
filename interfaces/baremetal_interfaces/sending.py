"""What a connector asks just before it sends: may it still, and is it its turn at this BMC?

Who has lost the right to drive a machine sends it nothing, and a BMC is sent no more requests at a time than it bears.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from baremetal_interfaces.deadline import Deadline

Guard = Callable[[bool], None]
"""Raises when nothing may be sent any more; it is told whether something was sent just now."""


class Turns(Protocol):
    """Lets so many requests at a time be under way at one BMC."""

    def take(self, deadline: Deadline) -> None:
        """Wait for a turn; raise an error of the contract where it does not come by *deadline*."""

    def give(self) -> None:
        """Give the turn back."""


_guard: ContextVar[Guard | None] = ContextVar("baremetal_interfaces_sending", default=None)
_turns: ContextVar[Turns | None] = ContextVar("baremetal_interfaces_turns", default=None)


def check_send(*, sent: bool = False) -> None:
    """Raise an error of the contract when the caller may send nothing to the BMC any more.

    A connector calls it just before each message that it sends, and once more with *sent* right after, so that a message
    that left at the very moment is told. The sessions of :mod:`baremetal_interfaces.http` do so by themselves.
    """
    guard = _guard.get()
    if guard is not None:
        guard(sent)


@contextmanager
def guarded_sends(guard: Guard | None) -> Iterator[None]:
    """Have *guard* asked before each send of this thread; None asks nobody. The runtime's side of :func:`check_send`."""
    token = _guard.set(guard)
    try:
        yield
    finally:
        _guard.reset(token)


def current_turns() -> Turns | None:
    """Who gives this thread's requests their turns; None where nobody does."""
    return _turns.get()


@contextmanager
def in_turn(deadline: Deadline) -> Iterator[None]:
    """Within it one request may be under way: its turn at the BMC is waited for, by *deadline*, and given back at the end.

    Sessions of a connector that says :attr:`~baremetal_interfaces.Connector.takes_turns` put it around each request. Those
    of :mod:`baremetal_interfaces.http` do so by themselves.
    """
    turns = _turns.get()
    if turns is None:
        yield
        return
    turns.take(deadline)
    try:
        yield
    finally:
        turns.give()


class turns_given_by:
    """Have *turns* asked for the turn of each request of this thread. The runtime's side of :func:`in_turn`."""

    __slots__ = ("_token", "_turns")

    def __init__(self, turns: Turns | None) -> None:
        self._turns = turns

    def __enter__(self) -> None:
        self._token = _turns.set(self._turns)

    def __exit__(self, *_: object) -> None:
        _turns.reset(self._token)


class OneAtATime:
    """Turns where nobody else gives any: one request at a time."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def take(self, deadline: Deadline) -> None:
        """Wait for the turn; ``TimeoutError`` where it does not come."""
        if not self._lock.acquire(timeout=deadline.remaining()):
            raise TimeoutError("other requests did not end in time")

    def give(self) -> None:
        """Give it back."""
        self._lock.release()
