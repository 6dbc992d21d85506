"""The server's part of TLS handshakes, on workers of a lane of their own."""

from __future__ import annotations

import logging
import ssl
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor

from baremetal_sdk.errors import NoFreeWorker
from baremetal_sdk.http.connection import Connection, Stage
from baremetal_sdk.http.tls import TLS, describe_client

LOG = logging.getLogger(__name__)

_RESUME = Callable[[Connection, Stage, float | None], None]


class HandshakeQueue:
    """Shakes hands on *executor*, and gives each connection to *resume*; one that is secured has *seconds* for its first request.

    Where many clients come at once, those whose handshakes have begun are first: little is left to do for them. Of the others,
    the one that came last and the one that came first take turns: whoever comes to a crowd does not wait behind all of it, and
    nobody of the crowd is forgotten.
    """

    def __init__(self, executor: Executor, tls: TLS, resume: _RESUME, seconds: float) -> None:
        self._executor, self._tls = executor, tls
        self._resume, self._seconds = resume, seconds
        self._lock = threading.Lock()
        self._begun: deque[Connection] = deque()
        self._new: deque[Connection] = deque()
        self._last_first = False

    def go_on(self, conn: Connection) -> None:
        """Have a worker go on with *conn*, as far as its client has done its own part. Raises ``NoFreeWorker``."""
        waiting = self._begun if conn.secured else self._new
        with self._lock:
            waiting.append(conn)
        try:
            self._executor.submit(self._take_turn)
        except NoFreeWorker:
            with self._lock:
                if conn in waiting:  # otherwise it took the turn of another one, which gets the next
                    waiting.remove(conn)
                    raise

    def _take_turn(self) -> None:
        with self._lock:
            conn = self._begun.popleft() if self._begun else self._next_new()
        self._shake(conn)

    def _next_new(self) -> Connection:
        self._last_first = not self._last_first
        return self._new.pop() if self._last_first else self._new.popleft()

    def _shake(self, conn: Connection) -> None:
        stage, seconds = Stage.SHAKING, None
        try:
            if not conn.secured:
                conn.secure(self._tls.context)
            assert isinstance(conn.sock, ssl.SSLSocket)
            conn.sock.do_handshake()
            conn.ssl_env = describe_client(conn.sock)
            stage, seconds = Stage.WAITING, self._seconds
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except Exception as exc:
            LOG.debug("connection from %s: the TLS handshake failed: %s", conn.remote_addr, exc)
            stage, seconds = Stage.LINGERING, 0.0
        self._resume(conn, stage, seconds)
