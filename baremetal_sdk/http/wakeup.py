"""Waking a thread that waits for what happens on descriptors."""

from __future__ import annotations

import contextlib
import os
import select
import weakref


class Wakeup:
    """Ends a wait of *epoll*, from any thread and from signal handlers."""

    def __init__(self, epoll: select.epoll) -> None:
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        # Not closed before that: a thread that outlives us may still write to it.
        weakref.finalize(self, os.close, self.fd)
        self._awake = False
        epoll.register(self.fd, select.EPOLLIN)

    def heard(self) -> None:
        """Take note that the wait has ended."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.fd)

    def rest(self) -> None:
        """Wake again from now on, before whatever was asked for is looked at."""
        self._awake = False

    def ring(self, *, surely: bool = True) -> None:
        """End the wait; where it is not *surely*, only if nobody has done it yet."""
        if surely or not self._awake:
            self._awake = True
            with contextlib.suppress(OSError):
                os.eventfd_write(self.fd, 1)
