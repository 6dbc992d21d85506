"""An HTTP server around any WSGI application."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING

from baremetal_interfaces import Deadline
from baremetal_sdk.concurrency.pool import ElasticPool, LaneLimits
from baremetal_sdk.config import APIConfig
from baremetal_sdk.errors import ConfigurationError, NoFreeWorker
from baremetal_sdk.http.access_log import RequestLog
from baremetal_sdk.http.body_budget import BodyBudget
from baremetal_sdk.http.cheroot_gateway import RequestHandler
from baremetal_sdk.http.connection import Connection, Stage
from baremetal_sdk.http.handshakes import HandshakeQueue
from baremetal_sdk.http.keep_alive_worker import KeepAliveWorker
from baremetal_sdk.http.limits import HTTPLimits
from baremetal_sdk.http.loop import EventLoop
from baremetal_sdk.http.proxy_headers import ProxyHeaders
from baremetal_sdk.http.slow_readers import SlowReaderLimit
from baremetal_sdk.http.sockets import Listeners, ListeningSocket, listen
from baremetal_sdk.http.streams import StreamSender
from baremetal_sdk.http.tls import TLS

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LOG = logging.getLogger(__name__)

HEALTH = {b"/healthz": "healthz", b"/readyz": "readyz"}
"""Paths that are answered also when no worker is free for anything else, and their lanes.

Each has its own: telling whether all is ready may hang with what it asks, and the process is alive all the same.
"""
FOLLOW_FILES = 2.0
"""Seconds between two looks at the files of the certificate."""
_REQUESTS, _HANDSHAKES = "requests", "handshakes"
_HANDSHAKES_AT_ONCE = max(2, os.cpu_count() or 1)
_MOST_HANDSHAKES = 4096


class HTTPServer:
    """Serves a WSGI application over HTTP or HTTPS, from threads of its own, in any thread's process.

    With *listener*, a socket that listens already or several of them (see :func:`~baremetal_sdk.http.sockets.listen`), it
    serves on copies: the sockets stay open when the server stops, and what connects in between waits there for the next server.

    Requests run on *executor*, such as a lane of a pool of the host application's; without one, on threads of the server's own.

    An application with a true attribute ``loopback_only`` is served to this machine alone.
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
        self._given = listener
        self._executor = executor
        self._running: _Running | None = None
        self._tls: TLS | None = None

    @property
    def port(self) -> int:
        """The port that is listened on, also where the configuration says 0; 0 for a unix socket."""
        return self._now.listeners[0].port

    @property
    def url(self) -> str:
        """The URL of the server, without a slash at the end; for a unix socket its path in the form ``http+unix://``."""
        listener = self._now.listeners[0]
        scheme = "https" if self._tls else "http"
        if listener.is_unix:
            return f"{scheme}+unix://{listener.host.replace('/', '%2F')}"
        return f"{scheme}://{f'[{listener.host}]' if ':' in listener.host else listener.host}:{listener.port}"

    @property
    def pool(self) -> ElasticPool | None:
        """The threads that serve, while it does."""
        return self._running.pool if self._running is not None else None

    @property
    def connections(self) -> int:
        """Connections that are open."""
        return self._now.loop.connections + len(self._now.streams)

    def start(self) -> None:
        """Listen; when this returns, clients can connect. Raises ``ConfigurationError``, which names address and reason."""
        if self._running is not None:
            raise RuntimeError("the HTTP server has started already")
        self._tls = TLS(self._config) if self._config.enable_ssl_api else None
        own = listen(self._config) if self._given is None else None
        try:
            sockets = own or _as_listeners(self._given)
            listeners = sockets.duplicate(is_shared=own is None or sockets.is_shared)
            if getattr(self._app, "loopback_only", False):
                _require_loopback(listeners)
            self._running = _Running(self._app, self._config, own, listeners, self._tls, self._executor)
        except BaseException:
            if own is not None:
                own.close()
            raise
        self._running.start()

    def stop(self, deadline: Deadline) -> bool:
        """Refuse new requests, let running ones end, and return by *deadline* whatever they do; tell whether all had ended.

        A signal handler may call it, in any thread.
        """
        running, self._running = self._running, None
        return running is None or running.stop(deadline)

    def reload_certificate(self) -> None:
        """Read the certificate and key again, for connections from now on. Where that fails the old ones stay.

        Raises ``ConfigurationError``.
        """
        if self._tls is not None:
            self._tls.reload()

    def reload(self, config: APIConfig) -> None:
        """Take over what can change while it serves: certificates and all that belongs to TLS. The address stays.

        Raises ``ConfigurationError``, and then has changed nothing.
        """
        if self._tls is not None and config.enable_ssl_api:
            self._tls.reload(config)

    @property
    def _now(self) -> _Running:
        if self._running is None:
            raise RuntimeError("the HTTP server has not started")
        return self._running


class _Running:
    """A server from its start to its stop."""

    def __init__(
        self,
        app: WSGIApplication,
        config: APIConfig,
        own: Listeners | None,
        listeners: Sequence[ListeningSocket],
        tls: TLS | None,
        executor: Executor | None,
    ) -> None:
        limits = HTTPLimits.of(config)
        self.listeners = listeners
        self._own = own
        self._tls = tls
        self._limits = limits
        log = RequestLog(config.request_log) if config.request_log else None
        served = ProxyHeaders(app, config.trusted_proxies) if config.enable_proxy_headers_parsing else app
        room = BodyBudget(limits.bodies)
        self._answerer = RequestHandler(served, limits, SlowReaderLimit(max(1, config.max_threads // 2), limits), log)
        self._sequences = KeepAliveWorker(self._answerer.answer, limits, room, may_stay=_at_once(config) > 1)
        self.pool = ElasticPool(
            config.max_threads + _HANDSHAKES_AT_ONCE + 2,
            {
                _REQUESTS: LaneLimits(cap=config.max_threads, queue=config.request_queue_size, cpu_limit=_at_once(config)),
                **{lane: LaneLimits(reserved=1, cap=1, queue=16) for lane in HEALTH.values()},
                _HANDSHAKES: LaneLimits(reserved=1, cap=_HANDSHAKES_AT_ONCE, queue=_MOST_HANDSHAKES),
            },
            name="http",
            min_workers=config.min_threads,
        )
        self._executor = executor or self.pool[_REQUESTS]
        self.streams = StreamSender(limits)
        shake = None if tls is None else HandshakeQueue(self.pool[_HANDSHAKES], tls, self._resume, limits.head).go_on
        self.loop = EventLoop(listeners, limits, self._serve, shake, self.streams, room, log.refused if log else None)
        self._thread = threading.Thread(target=self.loop.run, name="http-loop", daemon=True)

    def start(self) -> None:
        """Start to serve."""
        self._thread.start()
        if self._tls is not None:
            self.pool.timer.after(FOLLOW_FILES, self._look_at_files)

    def stop(self, deadline: Deadline) -> bool:
        """Serve to the end, at most until *deadline*; tell whether all had ended."""
        self._answerer.ready = False
        self.streams.stop()
        self.loop.stop()
        if self._own is not None:
            self._own.close()
        self._thread.join(deadline.remaining())
        left = self.loop.connections if self._thread.is_alive() else 0
        if left:
            self.loop.cut()
            self._thread.join(1.0)
        left += self.streams.join(deadline)
        if left:
            LOG.warning("the HTTP server stopped while %d connections were not at their end", left)
        stragglers = self.pool.close(0.1 if left else deadline.remaining(), cancel_queued=True)
        for straggler in stragglers:
            LOG.warning("a request has been worked on for %.1f s and does not end; the stop goes on without it", straggler.age)
        return not (left or stragglers)

    def _serve(self, conn: Connection) -> None:
        assert conn.head is not None
        lane = HEALTH.get(conn.head.target.partition(b"?")[0])
        (self._executor if lane is None else self.pool[lane]).submit(self._answer, conn, self._sequences.next_turn())

    def _answer(self, conn: Connection, turn: int) -> None:
        keep = False
        try:
            keep = self._sequences.serve(conn, turn, self.loop)
        finally:
            if conn.stream is None:
                self.loop.done(conn, keep)
            else:
                self.loop.resume(conn, Stage.LEAVING, self._limits.idle)

    def _resume(self, conn: Connection, stage: Stage, seconds: float | None) -> None:
        self.loop.resume(conn, stage, seconds)

    def _look_at_files(self) -> None:
        """Have a worker look: files may lie where reading them takes its time."""
        if self._tls is not None and not self.pool.closing:
            with contextlib.suppress(NoFreeWorker):
                self.pool[_HANDSHAKES].submit(self._tls.follow_files)
            self.pool.timer.after(FOLLOW_FILES, self._look_at_files)


def _at_once(config: APIConfig) -> int:
    """Requests that compute at the same time: the interpreter runs one thread, and each more of them lets all others wait."""
    return min(config.min_threads, config.max_threads)


def _as_listeners(given: Listeners | socket.socket | Sequence[socket.socket] | None) -> Listeners:
    if isinstance(given, Listeners):
        return given
    return Listeners([given] if isinstance(given, socket.socket) else list(given or ()))


def _require_loopback(listeners: Sequence[ListeningSocket]) -> None:
    for listener in listeners:
        if not listener.is_local:
            for each in listeners:
                each.sock.close()
            raise ConfigurationError(
                f"[api] host_ip: {listener.host} can be reached from elsewhere, and nobody has to say who they are "
                "([DEFAULT] auth_strategy = noauth); choose another auth_strategy, listen on 127.0.0.1, or say "
                "[api] allow_noauth_on_public_interfaces = true"
            )
