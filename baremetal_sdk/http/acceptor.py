"""Takes in connections, as long as there are descriptors for them."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import logging
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

from baremetal_sdk.http.sockets import ListeningSocket

LOG = logging.getLogger(__name__)
_AT_ONCE = 64
"""Connections accepted before those that there are have their turn."""
_PAUSE = 0.25
"""Seconds without accepting, when descriptors have run out."""
_SO_ATTACH_FILTER = 26
_RETURN = 0x06
_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_TAKE_IN = Callable[[socket.socket, Any, ListeningSocket], None]


class Acceptor:
    """Accepts from *listeners* and gives what it gets to *take_in*; *relieve* is called when descriptors have run out."""

    def __init__(
        self, listeners: Sequence[ListeningSocket], epoll: select.epoll, take_in: _TAKE_IN, relieve: Callable[[], None]
    ) -> None:
        self._listeners = {listener.sock.fileno(): listener for listener in listeners}
        self._epoll = epoll
        self._take_in, self._relieve = take_in, relieve
        self._watching = False
        self._again_at = 0.0
        self._watch(True)

    def accept(self, fd: int) -> None:
        """Accept what waits on *fd*, not all of it at once, if that is one of the listeners."""
        if fd in self._listeners:
            self._accept(self._listeners[fd], _AT_ONCE)

    def resume(self, now: float) -> None:
        """Accept again, where that was put off, and the time has come."""
        if not self._watching and now >= self._again_at:
            self._watch(True)

    def end(self, most: int) -> None:
        """Take in what the kernel accepted for us, unless somebody else goes on listening, and listen no more."""
        self._watch(False)
        for listener in self._listeners.values():
            if not listener.is_shared:
                _deafen(listener.sock)
                self._accept(listener, most)
        self.close()

    def close(self) -> None:
        """Listen no more."""
        for listener in self._listeners.values():
            listener.sock.close()
        self._listeners.clear()

    def _watch(self, wanted: bool) -> None:
        if wanted == self._watching:
            return
        self._watching = wanted
        for fd in self._listeners:
            if wanted:
                self._epoll.register(fd, select.EPOLLIN)
            else:
                self._epoll.unregister(fd)

    def _accept(self, listener: ListeningSocket, most: int) -> None:
        for _ in range(most):
            try:
                sock, address = listener.sock.accept()
            except (BlockingIOError, ConnectionError):
                return
            except OSError as exc:
                if exc.errno in _OUT_OF_RESOURCES:
                    return self._pause(exc)
                continue  # this one connection failed before it was ours (accept(2))
            sock.setblocking(False)
            self._take_in(sock, address, listener)

    def _pause(self, exc: OSError) -> None:
        self._watch(False)
        self._again_at = time.monotonic() + _PAUSE
        LOG.error("connections cannot be accepted for now: %s; raise the limit of open files or lower the load", exc.strerror)
        self._relieve()


def _deafen(sock: socket.socket) -> None:
    """Have the kernel drop whatever would still connect: let in after the last accept, it would be reset by the close.

    The filter is one instruction of classic BPF, "return 0" (linux/filter.h). Whoever is dropped asks again a second later,
    and is refused.
    """
    if sock.family == socket.AF_UNIX:
        return
    program = ctypes.create_string_buffer(struct.pack("HBBI", _RETURN, 0, 0, 0))
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program)))
