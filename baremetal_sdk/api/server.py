"""Adapters that run the HTTP server as a component of a conductor, or as a part of a class of the host application."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from baremetal_interfaces import Deadline
from baremetal_sdk.config import APIConfig, ConductorConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.http.server import HTTPServer as HTTPServer
from baremetal_sdk.http.sockets import Listeners
from baremetal_sdk.lifecycle import StartPhase
from baremetal_sdk.logs import get_logger
from baremetal_sdk.observability.metrics.collector import Reading, read_pool
from baremetal_sdk.observability.metrics.declarations import HTTP_CONNECTIONS

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LOG = get_logger(__name__)


@runtime_checkable
class ReadingSource(Protocol):
    """A WSGI application with metrics. The Bare Metal API is one; other applications may have none."""

    def readings(self) -> Iterable[Reading]:
        """Return the current metric values of the application, for one scrape."""


class APIServer:
    """Serves a WSGI application while a conductor runs: ``conductor.add(APIServer(app, config.api))``.

    With *listener* the server uses sockets that already listen, and leaves them open when it stops, for its successor. With
    *executor*, such as a lane of a pool, requests run there instead of in threads of the server.
    """

    phase = StartPhase.API

    def __init__(
        self,
        app: WSGIApplication,
        config: APIConfig,
        listener: Listeners | socket.socket | None = None,
        *,
        executor: Executor | None = None,
    ) -> None:
        self._app = app
        self._http = HTTPServer(app, config, listener, executor=executor)

    def start(self, conductor: Any = None) -> None:
        """Listen and serve requests in threads. Raises ``ConfigurationError`` with the address and the reason."""
        self._http.start()

    def stop(self, deadline: Deadline) -> None:
        """Refuse new requests, wait for running ones, and return by *deadline*."""
        self._http.stop(deadline)

    @property
    def url(self) -> str:
        """The URL of the server. It is known after the start."""
        return self._http.url

    @property
    def port(self) -> int:
        """The TCP port of the server. It is known after the start."""
        return self._http.port

    def readings(self) -> Iterable[Reading]:
        """Yield the metric values of the server and its application, for one scrape. Yield nothing before the start."""
        pool = self._http.pool
        if pool is not None:
            yield HTTP_CONNECTIONS, (), self._http.connections
            yield from read_pool(pool)
            if isinstance(self._app, ReadingSource):
                yield from self._app.readings()

    def reload(self, config: ConductorConfig) -> None:
        """Apply the TLS options of *config* and read the certificate again. Other options need a restart.

        If the new options are invalid, log an error and keep the old ones.
        """
        try:
            self._http.reload(config.api)
        except ConfigurationError as exc:
            LOG.error("cannot apply the new TLS options, keeping the old ones: %s", exc)

    def reload_certificate(self) -> None:
        """Read the files of the TLS certificate and its key again. New connections use them."""
        self._http.reload_certificate()


class APIServerMixin:
    """Mixin that gives a class of the host application an HTTP server.

    The class overrides :meth:`api_application` and, if needed, :meth:`api_config`. It calls :meth:`start_api` and
    :meth:`stop_api`.
    """

    _api_server: HTTPServer | None = None

    def api_application(self) -> WSGIApplication:
        """Return the WSGI application to serve. Subclasses must override this."""
        raise NotImplementedError(f"{type(self).__name__} has no application to serve; override api_application()")

    def api_config(self) -> APIConfig:
        """Return the options of the server. By default each option has its default value."""
        return APIConfig()

    @property
    def api_url(self) -> str:
        """The URL of the server. Raises ``RuntimeError`` before the start."""
        if self._api_server is None:
            raise RuntimeError("the API is not started; call start_api() first")
        return self._api_server.url

    def start_api(self) -> None:
        """Listen and serve requests in threads.

        Raises ``ConfigurationError`` with the address and the reason, and ``RuntimeError`` if the server is already started.
        """
        if self._api_server is not None:
            raise RuntimeError("the API is already started; call stop_api() first")
        server = HTTPServer(self.api_application(), self.api_config())
        server.start()
        self._api_server = server

    def stop_api(self, timeout: float = 10.0) -> None:
        """Stop the server, if it is started. Wait up to *timeout* seconds for running requests, then abandon them."""
        server, self._api_server = self._api_server, None
        if server is not None:
            server.stop(Deadline.after(timeout))
