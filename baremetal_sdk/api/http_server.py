"""An HTTP server around any WSGI application."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from typing import TYPE_CHECKING

from baremetal_interfaces import Deadline
from baremetal_sdk.api.cheroot_server import Server
from baremetal_sdk.api.tls import server_context
from baremetal_sdk.config import APIConfig
from baremetal_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LOG = logging.getLogger(__name__)
BACKLOG = 1024
"""Connections that the kernel keeps for us before we accept them."""


class HTTPServer:
    """Serves a WSGI application over HTTP or HTTPS, from threads of its own, in any thread's process.

    With *listener*, a socket that listens already (see :func:`listen`), it serves on a copy of that one: the socket stays
    open when the server stops, and what connects in between waits there for the next server.
    """

    def __init__(self, app: WSGIApplication, config: APIConfig, listener: socket.socket | None = None) -> None:
        self._app = app
        self._config = config
        self._listener = listener
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self._tls: ssl.SSLContext | None = None

    @property
    def port(self) -> int:
        """The port that is listened on, also where the configuration says 0."""
        return int(self._running.bind_addr[1])

    @property
    def url(self) -> str:
        """The URL of the server, without a slash at the end."""
        host = self._running.bind_addr[0]
        return f"{'https' if self._tls else 'http'}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def start(self) -> None:
        """Listen; when this returns, clients can connect. Raises ``ConfigurationError``, which names address and reason."""
        if self._server is not None:
            raise RuntimeError("the HTTP server has started already")
        config = self._config
        self._tls = server_context(config.cert_file, config.key_file) if config.enable_ssl_api else None
        listener = listen(config) if self._listener is None else self._listener.dup()
        listener.settimeout(1.0)
        self._server = Server(self._app, config, listener, self._tls)
        self._thread = threading.Thread(target=self._server.serve, name="http-accept", daemon=True)
        self._thread.start()

    def stop(self, deadline: Deadline) -> bool:
        """Refuse new requests, let running ones end, and return by *deadline* whatever they do; tell whether all had ended."""
        server, self._server = self._server, None
        if server is None or self._thread is None:
            return True
        server.stop()
        self._thread.join(deadline.remaining())
        server.close(deadline)
        if server.requests.join(deadline):
            return True
        left = server.requests.abandon()
        for conn in left:
            conn.close()
        LOG.warning("the HTTP server stopped while %d requests had not ended", len(left))
        return False

    def reload_certificate(self) -> None:
        """Read the certificate and key again, for connections from now on. Where that fails the old ones stay.

        Raises ``ConfigurationError``.
        """
        if self._tls is not None:
            server_context(self._config.cert_file, self._config.key_file)
            self._tls.load_cert_chain(str(self._config.cert_file), self._config.key_file)

    @property
    def _running(self) -> Server:
        if self._server is None:
            raise RuntimeError("the HTTP server has not started")
        return self._server


def listen(config: APIConfig) -> socket.socket:
    """A socket that listens where *config* says. Raises ``ConfigurationError``, which names address and reason."""
    host, port = config.host_ip, config.port
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server((str(address[0]), port), family=family, backlog=BACKLOG)
    except OSError as exc:
        raise ConfigurationError(f"[api] host_ip, port: cannot listen on {host} port {port}: {exc.strerror or exc}") from exc
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
