"""Wake-up signal for a thread that waits in ``epoll``."""

from __future__ import annotations

import contextlib
import os
import select
import weakref


class Wakeup:
    """Signal that ends a wait of *epoll*. Any thread and any signal handler may send it with :meth:`wake`."""

    def __init__(self, epoll: select.epoll) -> None:
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        # The descriptor lives as long as this object. A worker that outlives the server may still write to it, and the
        # number must not belong to another file by then.
        weakref.finalize(self, os.close, self.fd)
        self._is_pending = False
        epoll.register(self.fd, select.EPOLLIN)

    def clear(self) -> None:
        """Reset the descriptor after ``epoll`` reported it."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.fd)

    def rearm(self) -> None:
        """Let the next :meth:`wake` write again. Call it before the queues are read, or a wake-up can be lost."""
        self._is_pending = False

    def wake(self, *, force: bool = True) -> None:
        """End the wait. Without *force*, skip the system call if a wake-up is pending already."""
        if force or not self._is_pending:
            self._is_pending = True
            with contextlib.suppress(OSError):
                os.eventfd_write(self.fd, 1)
