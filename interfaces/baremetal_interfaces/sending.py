"""The last look before something is sent to a BMC: who has lost the right to drive a machine sends it nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Guard = Callable[[bool], None]
"""Raises when nothing may be sent any more; it is told whether something was sent just now."""

_guard: ContextVar[Guard | None] = ContextVar("baremetal_interfaces_sending", default=None)


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
