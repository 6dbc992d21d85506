"""HTTP server for any WSGI application."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING
from urllib.parse import quote

from baremetal_interfaces import Deadline
from baremetal_interfaces.addresses import build_url
from baremetal_sdk.concurrency.pool import ElasticPool, LaneLimits
from baremetal_sdk.config import APIConfig
from baremetal_sdk.errors import ConfigurationError, NoFreeWorker
from baremetal_sdk.http.access_log import RequestLog
from baremetal_sdk.http.body_budget import BodyBudget
from baremetal_sdk.http.cheroot_gateway import RequestHandler
from baremetal_sdk.http.connection import Connection, ConnectionState
from baremetal_sdk.http.handshakes import HandshakeQueue
from baremetal_sdk.http.keep_alive_worker import KeepAliveWorker
from baremetal_sdk.http.limits import HTTPLimits
from baremetal_sdk.http.loop import EventLoop
from baremetal_sdk.http.proxy_headers import ProxyHeaders
from baremetal_sdk.http.slow_readers import SlowReaderLimit
from baremetal_sdk.http.sockets import Listeners, ListeningSocket, listen
from baremetal_sdk.http.streams import StreamSender
from baremetal_sdk.http.tls import TLS
from baremetal_sdk.logs import get_logger

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LOG = get_logger(__name__)

HEALTH_LANES = {b"/healthz": "healthz", b"/readyz": "readyz"}
"""Lanes of the health paths. The server answers these paths even if no worker is free for other requests.

Each path has its own lane: a readiness check may block on a component, and the process is alive nevertheless.
"""
CERTIFICATE_CHECK_INTERVAL_S = 2.0
"""Seconds between two checks whether the certificate files have changed."""
_REQUEST_LANE, _HANDSHAKE_LANE = "requests", "handshakes"
_HANDSHAKE_WORKERS = max(2, os.cpu_count() or 1)
_HANDSHAKE_QUEUE_SIZE = 4096
_HEALTH_QUEUE_SIZE = 16
_CUT_TIMEOUT_S = 1.0
"""Seconds to wait for the event loop after its connections were cut."""
_MIN_POOL_CLOSE_S = 0.1
"""Seconds to wait for workers if the deadline has been used up."""


class HTTPServer:
    """Serves a WSGI application over HTTP or HTTPS from its own threads. One process can run several servers.

    *listener* is one or more listening sockets (see :func:`~baremetal_sdk.http.sockets.listen`). The server uses copies: the
    sockets stay open when it stops, and clients that connect meanwhile wait for the next server. Without *listener* the server
    listens where *config* says.

    *executor* runs the requests, such as a lane of the host application's pool. Without it, the server's own threads do.

    If the application has a true attribute ``loopback_only``, the server refuses to listen on an address that other machines
    can reach.
    """

    def __init__(
        self,
        app: WSGIApplication,
        config: APIConfig,
        listener: Listeners | socket.socket | Sequence[socket.socket] | None = None,
        *,
        executor: Executor | None = None,
    ) -> None:
        self._app = app
        self._config = config
        self._listener = listener
        self._executor = executor
        self._running: _RunningServer | None = None
        self._tls: TLS | None = None

    @property
    def port(self) -> int:
        """Port of the first listening socket. 0 for a unix socket. If the configured port is 0, this is the actual port."""
        return self._started.listeners[0].port

    @property
    def url(self) -> str:
        """URL of the server without a trailing slash. For a unix socket the URL has the form ``http+unix://%2Fpath``."""
        listener = self._started.listeners[0]
        scheme = "https" if self._tls else "http"
        if listener.is_unix:
            return build_url(f"{scheme}+unix", quote(listener.host, safe=""))
        return build_url(scheme, listener.host, listener.port)

    @property
    def pool(self) -> ElasticPool | None:
        """Pool of the server's threads. None if the server is not running."""
        return self._running.pool if self._running is not None else None

    @property
    def connections(self) -> int:
        """Number of open connections."""
        return self._started.loop.connections + len(self._started.streams)

    def start(self) -> None:
        """Start the server. Clients can connect when this returns.

        Raises ``ConfigurationError`` with the address and the reason if the server cannot listen, and ``RuntimeError`` if it is
        running already.
        """
        if self._running is not None:
            raise RuntimeError("the HTTP server is running already; stop it first")
        self._tls = TLS(self._config) if self._config.enable_ssl_api else None
        own = listen(self._config) if self._listener is None else None
        try:
            sockets = own or _as_listeners(self._listener)
            listeners = sockets.duplicate(is_shared=own is None or sockets.is_shared)
            if getattr(self._app, "loopback_only", False):
                _require_loopback(listeners)
            self._running = _RunningServer(
                self._app,
                self._config,
                listeners,
                own_sockets=own,
                tls=self._tls,
                executor=self._executor,
            )
        except BaseException:
            if own is not None:
                own.close()
            raise
        self._running.start()

    def stop(self, deadline: Deadline) -> bool:
        """Refuse new requests and wait for running ones until *deadline*. Return whether all requests have ended.

        Connections that are left at the deadline are cut, which may take up to two more seconds. Any thread and any signal
        handler may call this.
        """
        running, self._running = self._running, None
        return running is None or running.stop(deadline)

    def reload_certificate(self) -> None:
        """Read the TLS certificate and its key again, for new connections.

        Raises ``ConfigurationError`` and keeps the old ones if a file is invalid.
        """
        if self._tls is not None:
            self._tls.reload()

    def reload(self, config: APIConfig) -> None:
        """Apply the TLS options of *config* and read the certificate files again. Other options need a restart.

        Raises ``ConfigurationError`` and changes nothing if an option or a file is invalid.
        """
        if self._tls is not None and config.enable_ssl_api:
            self._tls.reload(config)

    @property
    def _started(self) -> _RunningServer:
        if self._running is None:
            raise RuntimeError("the HTTP server is not running; start it first")
        return self._running


class _RunningServer:
    """Threads and sockets of a server between start and stop."""

    def __init__(
        self,
        app: WSGIApplication,
        config: APIConfig,
        listeners: Sequence[ListeningSocket],
        *,
        own_sockets: Listeners | None,
        tls: TLS | None,
        executor: Executor | None,
    ) -> None:
        limits = HTTPLimits.from_config(config)
        self.listeners = listeners
        self._own_sockets = own_sockets
        self._tls = tls
        self._limits = limits
        log = RequestLog(config.request_log) if config.request_log else None
        if config.enable_proxy_headers_parsing:
            app = ProxyHeaders(app, config.trusted_proxies)
        budget = BodyBudget(limits.max_spooled_bytes)
        # Half of the workers may wait for slow readers. The other half serves all other clients.
        slow_readers = SlowReaderLimit(max(1, config.max_threads // 2), limits)
        self._handler = RequestHandler(app, limits, slow_readers, log)
        cpu_limit = _get_cpu_limit(config)
        self._keep_alive_worker = KeepAliveWorker(self._handler.handle, limits, budget, may_stay=cpu_limit > 1)
        self.pool = ElasticPool(
            config.max_threads + _HANDSHAKE_WORKERS + len(HEALTH_LANES),
            {
                _REQUEST_LANE: LaneLimits(cap=config.max_threads, queue=config.request_queue_size, cpu_limit=cpu_limit),
                **{lane: LaneLimits(reserved=1, cap=1, queue=_HEALTH_QUEUE_SIZE) for lane in HEALTH_LANES.values()},
                _HANDSHAKE_LANE: LaneLimits(reserved=1, cap=_HANDSHAKE_WORKERS, queue=_HANDSHAKE_QUEUE_SIZE),
            },
            name="http",
            min_workers=config.min_threads,
        )
        self._executor = executor or self.pool[_REQUEST_LANE]
        self.streams = StreamSender(limits)
        shake = None
        if tls is not None:
            shake = HandshakeQueue(self.pool[_HANDSHAKE_LANE], tls, self._resume, limits.head_timeout_s).submit
        self.loop = EventLoop(
            listeners,
            limits,
            serve=self._submit_request,
            shake=shake,
            streams=self.streams,
            budget=budget,
            log_rejection=log.log_rejection if log else None,
        )
        self._thread = threading.Thread(target=self.loop.run, name="http-loop", daemon=True)

    def start(self) -> None:
        """Start the thread of the event loop and, with TLS, the regular check of the certificate files."""
        self._thread.start()
        if self._tls is not None:
            self.pool.timer.after(CERTIFICATE_CHECK_INTERVAL_S, self._check_certificate)

    def stop(self, deadline: Deadline) -> bool:
        """Wait for running requests until *deadline*. Return whether all of them have ended."""
        # Responses say "Connection: close" from now on, so that clients send no further request on their connections.
        self._handler.ready = False
        self.streams.stop()
        self.loop.stop()
        if self._own_sockets is not None:
            self._own_sockets.close()
        self._thread.join(deadline.remaining())
        left = self.loop.connections if self._thread.is_alive() else 0
        if left:
            self.loop.cut()
            self._thread.join(_CUT_TIMEOUT_S)
        left += self.streams.join(deadline)
        if left:
            LOG.warning("the HTTP server stopped and cut %d connections that had not ended in time", left)
        stragglers = self.pool.close(_MIN_POOL_CLOSE_S if left else deadline.remaining(), cancel_queued=True)
        for straggler in stragglers:
            LOG.warning("a request that runs for %.1f s did not finish in time; continuing shutdown", straggler.age)
        return not (left or stragglers)

    def _submit_request(self, conn: Connection) -> None:
        """Pass the request of *conn* to a worker. Raises ``NoFreeWorker``."""
        assert conn.head is not None
        lane = HEALTH_LANES.get(conn.head.target.partition(b"?")[0])
        executor = self._executor if lane is None else self.pool[lane]
        future = executor.submit(self._answer, conn, self._keep_alive_worker.issue_ticket())
        future.add_done_callback(functools.partial(self._close_if_cancelled, conn))

    def _close_if_cancelled(self, conn: Connection, future: Future[None]) -> None:
        """Return *conn* to the loop if its request was cancelled before a worker took it, as in a stop."""
        if future.cancelled():
            self.loop.finish_request(conn, False)

    def _answer(self, conn: Connection, ticket: int) -> None:
        keep_alive = False
        # The connection returns to the loop in any case. Otherwise it would stay open without an owner.
        try:
            keep_alive = self._keep_alive_worker.serve(conn, ticket, self.loop)
        finally:
            if conn.stream is None:
                self.loop.finish_request(conn, keep_alive)
            else:
                self.loop.resume(conn, ConnectionState.DETACHING, self._limits.idle_timeout_s)

    def _resume(self, conn: Connection, state: ConnectionState, timeout_s: float | None) -> None:
        self.loop.resume(conn, state, timeout_s)

    def _check_certificate(self) -> None:
        """Let a worker reload the certificate if its files have changed, and schedule the next check.

        On some file systems reading the files blocks, so the timer's thread does not read them.
        """
        if self._tls is not None and not self.pool.closing:
            with contextlib.suppress(NoFreeWorker):
                self.pool[_HANDSHAKE_LANE].submit(self._tls.reload_if_changed)
            self.pool.timer.after(CERTIFICATE_CHECK_INTERVAL_S, self._check_certificate)


def _get_cpu_limit(config: APIConfig) -> int:
    """Return how many requests may compute at the same time.

    The interpreter runs one thread at a time, so each further thread that computes delays all others.
    """
    return min(config.min_threads, config.max_threads)


def _as_listeners(given: Listeners | socket.socket | Sequence[socket.socket] | None) -> Listeners:
    if isinstance(given, Listeners):
        return given
    return Listeners([given] if isinstance(given, socket.socket) else list(given or ()))


def _require_loopback(listeners: Sequence[ListeningSocket]) -> None:
    for listener in listeners:
        if not listener.is_local:
            for opened in listeners:
                opened.sock.close()
            raise ConfigurationError(
                f"[api] host_ip: other machines can reach {listener.host}, and no authentication is required "
                "([DEFAULT] auth_strategy = noauth); choose another auth_strategy, listen on 127.0.0.1, or set "
                "[api] allow_noauth_on_public_interfaces = true"
            )
