"""Checks before each request to a BMC: may the caller still send, and is a request slot free?

A conductor that lost the lease of a node sends nothing to its BMC. A BMC gets no more requests at the same time than it can
handle.
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
"""Raises an error of the contract if the caller may no longer send. Its argument is True right after a message was sent."""


class RequestSlots(Protocol):
    """The request slots of one BMC: a limit on the requests that are in flight at the same time."""

    def take(self, deadline: Deadline) -> None:
        """Wait for a slot and take it. Raises an error of the contract if no slot is free by *deadline*."""

    def give(self) -> None:
        """Release the slot."""


_guard: ContextVar[Guard | None] = ContextVar("baremetal_interfaces_sending", default=None)
_slots: ContextVar[RequestSlots | None] = ContextVar("baremetal_interfaces_turns", default=None)


def check_send(*, sent: bool = False) -> None:
    """Raise an error of the contract if the caller may no longer send to the BMC.

    A connector calls this just before each message, and again with *sent* right after it. The second call reports a message
    that was sent at the moment when the lease was lost. Sessions of :mod:`baremetal_interfaces.http` make both calls themselves.
    """
    guard = _guard.get()
    if guard is not None:
        guard(sent)


@contextmanager
def send_guard(guard: Guard | None) -> Iterator[None]:
    """Make *guard* the check that :func:`check_send` runs in this thread, within a ``with`` block. None removes the guard.

    The runtime uses this; a driver calls :func:`check_send`.
    """
    token = _guard.set(guard)
    try:
        yield
    finally:
        _guard.reset(token)


def current_slots() -> RequestSlots | None:
    """Return the request slots that apply to this thread, or None if its requests are not limited."""
    return _slots.get()


@contextmanager
def request_slot(deadline: Deadline) -> Iterator[None]:
    """Hold one request slot of the BMC within a ``with`` block. Wait for it until *deadline*.

    Sessions of a connector with :attr:`~baremetal_interfaces.Connector.takes_turns` wrap each request in it. Sessions of
    :mod:`baremetal_interfaces.http` do so themselves. Without slots for this thread the block runs at once. Raises the error
    of the slots, such as :class:`~baremetal_interfaces.errors.BMCBusy`, if no slot is free in time.
    """
    slots = _slots.get()
    if slots is None:
        yield
        return
    slots.take(deadline)
    try:
        yield
    finally:
        slots.give()


class use_slots:  # named like a function, because it is used as one: ``with use_slots(slots):``
    """Context manager that makes *slots* the request slots of this thread; None removes the limit.

    The runtime uses this; a driver uses :func:`request_slot`.
    """

    __slots__ = ("_slots", "_token")

    def __init__(self, slots: RequestSlots | None) -> None:
        self._slots = slots

    def __enter__(self) -> None:
        self._token = _slots.set(self._slots)

    def __exit__(self, *_: object) -> None:
        _slots.reset(self._token)


class SingleSlot:
    """One slot for a session that has no other limit: it sends one request at a time."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def take(self, deadline: Deadline) -> None:
        """Wait for the slot and take it. Raises ``TimeoutError`` if it is not free by *deadline*."""
        if not self._lock.acquire(timeout=deadline.remaining()):
            raise TimeoutError("the request was not sent: other requests of the session did not finish in time")

    def give(self) -> None:
        """Release the slot."""
        self._lock.release()


in_turn = request_slot
"""The name of :func:`request_slot` in contract 1.1."""

guarded_sends = send_guard
"""The name of :func:`send_guard` in contract 1.0."""

turns_given_by = use_slots
"""The name of :class:`use_slots` in contract 1.1."""

current_turns = current_slots
"""The name of :func:`current_slots` in contract 1.1."""

Turns = RequestSlots
"""The name of :class:`RequestSlots` in contract 1.1."""

OneAtATime = SingleSlot
"""The name of :class:`SingleSlot` in contract 1.1."""
