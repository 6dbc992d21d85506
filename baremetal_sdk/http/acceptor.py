"""Acceptor of new client connections. It pauses when file descriptors or memory run out."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

from baremetal_sdk.http.sockets import ListeningSocket
from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)
_ACCEPT_BATCH_SIZE = 64
"""Connections accepted from one socket before open connections are served."""
_PAUSE_S = 0.25
"""Seconds without accepting after the file descriptors or the memory ran out."""
_SO_ATTACH_FILTER = 26
_BPF_RETURN = 0x06
_RESOURCE_ERRORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_OnAccept = Callable[[socket.socket, Any, ListeningSocket], None]


class Acceptor:
    """Acceptor of connections from the *listeners*. It passes each accepted socket to *on_accept*. Only the event loop uses it.

    *on_exhausted* is called when file descriptors or memory run out. It should close some connections. Accepting pauses for a
    quarter of a second.
    """

    def __init__(
        self,
        listeners: Sequence[ListeningSocket],
        epoll: select.epoll,
        *,
        on_accept: _OnAccept,
        on_exhausted: Callable[[], None],
    ) -> None:
        self._listeners = {listener.sock.fileno(): listener for listener in listeners}
        self._epoll = epoll
        self._on_accept, self._on_exhausted = on_accept, on_exhausted
        self._is_watching = False
        self._resume_at = 0.0
        self._watch(True)

    def accept(self, fd: int) -> None:
        """Accept a batch of connections if *fd* is one of the listening sockets. Ignore other descriptors."""
        if fd in self._listeners:
            self._accept(self._listeners[fd], _ACCEPT_BATCH_SIZE)

    def resume(self, now: float) -> None:
        """Watch the listening sockets again if the pause after an exhaustion has ended. *now* is the monotonic time."""
        if not self._is_watching and now >= self._resume_at:
            self._watch(True)

    def finish(self, max_connections: int) -> None:
        """Accept up to *max_connections* queued connections of each listening socket, then close the listening sockets.

        From a shared socket nothing is accepted: its queued connections stay for the next server.
        """
        self._watch(False)
        for listener in self._listeners.values():
            if not listener.is_shared:
                _drop_new_connections(listener.sock)
                self._accept(listener, max_connections)
        self.close()

    def close(self) -> None:
        """Close the listening sockets."""
        for listener in self._listeners.values():
            listener.sock.close()
        self._listeners.clear()

    def _watch(self, enable: bool) -> None:
        if enable == self._is_watching:
            return
        self._is_watching = enable
        for fd in self._listeners:
            if enable:
                self._epoll.register(fd, select.EPOLLIN)
            else:
                self._epoll.unregister(fd)

    def _accept(self, listener: ListeningSocket, max_connections: int) -> None:
        for _ in range(max_connections):
            try:
                sock, address = listener.sock.accept()
            except (BlockingIOError, ConnectionError):
                return
            except OSError as exc:
                if exc.errno in _RESOURCE_ERRORS:
                    return self._pause(exc)
                continue  # accept(2) also reports network errors of the one new connection
            sock.setblocking(False)
            self._on_accept(sock, address, listener)

    def _pause(self, exc: OSError) -> None:
        # Without descriptors accept() fails again at once and epoll reports the socket again at once: a busy loop.
        self._watch(False)
        self._resume_at = time.monotonic() + _PAUSE_S
        LOG.error("connections cannot be accepted for now: %s; raise the limit of open files or reduce the load", exc.strerror)
        self._on_exhausted()


def _drop_new_connections(sock: socket.socket) -> None:
    """Make the kernel drop the packets of new connections.

    A connection that the kernel completes after the last ``accept`` would be reset by the close. A client whose packets are
    dropped tries again after a second and is refused. The filter is one instruction of classic BPF, "return 0"
    (linux/filter.h). Unix sockets are unchanged, and an error of the kernel is ignored.
    """
    if sock.family == socket.AF_UNIX:
        return
    program = ctypes.create_string_buffer(struct.pack("HBBI", _BPF_RETURN, 0, 0, 0))
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program)))
