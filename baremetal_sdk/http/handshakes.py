"""Queue of TLS handshakes. Workers of a separate lane run them, so handshakes do not delay requests."""

from __future__ import annotations

import ssl
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future

from baremetal_sdk.errors import NoFreeWorker
from baremetal_sdk.http.connection import Connection, ConnectionState
from baremetal_sdk.http.tls import TLS, describe_client
from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)

_Resume = Callable[[Connection, ConnectionState, float | None], None]


class HandshakeQueue:
    """Queue that runs TLS handshakes on *executor*. Thread-safe.

    After each step of a handshake, *resume* gets the connection with its next state. After a complete handshake the client has
    *first_request_s* seconds to begin a request.

    Handshakes that have begun come first, because little work is left for them. New connections are taken alternately from
    the end and from the start of the queue. The newest then does not wait behind a whole crowd, and the oldest is never
    forgotten.
    """

    def __init__(self, executor: Executor, tls: TLS, resume: _Resume, first_request_s: float) -> None:
        self._executor, self._tls = executor, tls
        self._resume, self._first_request_s = resume, first_request_s
        self._lock = threading.Lock()
        self._begun: deque[Connection] = deque()
        self._new: deque[Connection] = deque()
        self._take_newest = False

    def submit(self, conn: Connection) -> None:
        """Queue the next step of the handshake of *conn*. Raises ``NoFreeWorker``, and then *conn* is not queued."""
        queue = self._begun if conn.is_tls else self._new
        with self._lock:
            queue.append(conn)
        # A job is not bound to a connection. The worker selects one when it starts, by then the most urgent one.
        try:
            future = self._executor.submit(self._run_next)
        except NoFreeWorker:
            with self._lock:
                # If a job has taken this connection already, another connection stays queued in its place for the next job.
                if conn in queue:
                    queue.remove(conn)
                    raise
        else:
            future.add_done_callback(self._drop_if_cancelled)

    def _run_next(self) -> None:
        self._run_step(self._take_next())

    def _drop_if_cancelled(self, future: Future[None]) -> None:
        """Let the event loop close one connection for a job that was cancelled before it began, as in a stop."""
        if future.cancelled():
            self._resume(self._take_next(), ConnectionState.LINGERING, 0.0)

    def _take_next(self) -> Connection:
        with self._lock:
            return self._begun.popleft() if self._begun else self._pop_new()

    def _pop_new(self) -> Connection:
        self._take_newest = not self._take_newest
        return self._new.pop() if self._take_newest else self._new.popleft()

    def _run_step(self, conn: Connection) -> None:
        state, timeout_s = ConnectionState.HANDSHAKE, None
        try:
            if not conn.is_tls:
                conn.start_tls(self._tls.context)
            assert isinstance(conn.sock, ssl.SSLSocket)
            conn.sock.do_handshake()
            conn.ssl_env = describe_client(conn.sock)
            state, timeout_s = ConnectionState.IDLE, self._first_request_s
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass  # the socket does not block: the event loop waits for the client's next message
        except Exception as exc:
            LOG.debug("connection from %s: the TLS handshake failed: %s", conn.remote_addr, exc)
            # OpenSSL has sent its alert. The event loop closes the connection at its next check of deadlines.
            state, timeout_s = ConnectionState.LINGERING, 0.0
        self._resume(conn, state, timeout_s)
