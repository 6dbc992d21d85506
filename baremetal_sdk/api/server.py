"""The HTTP server as a part of a conductor, and as a part of a host application's own class."""

from __future__ import annotations

import logging
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
from baremetal_sdk.observability.metrics.collector import Reading, read_pool
from baremetal_sdk.observability.metrics.declarations import HTTP_CONNECTIONS

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LOG = logging.getLogger(__name__)


@runtime_checkable
class ReadingSource(Protocol):
    """A WSGI application with metrics of its own. The Bare Metal API has some, other applications may have none."""

    def readings(self) -> Iterable[Reading]:
        """Return the values for one scrape of the metrics."""


class APIServer:
    """Serves a WSGI application for as long as a conductor runs: ``conductor.add(APIServer(app, config.api))``.

    With *listener* it serves on sockets that listen already, and leaves them open for the next one. With *executor*, such as
    a lane of a pool, requests run there, and not on threads of the server's own.
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
        """Listen. Raises ``ConfigurationError``, which names address and reason."""
        self._http.start()

    def stop(self, deadline: Deadline) -> None:
        """Refuse new requests, let running ones end, and return by *deadline*."""
        self._http.stop(deadline)

    @property
    def url(self) -> str:
        """The URL that is served, once it has started."""
        return self._http.url

    @property
    def port(self) -> int:
        """The port that is listened on, once it has started."""
        return self._http.port

    def readings(self) -> Iterable[Reading]:
        """What a scrape of the metrics shows of it."""
        pool = self._http.pool
        if pool is not None:
            yield HTTP_CONNECTIONS, (), self._http.connections
            yield from read_pool(pool)
            if isinstance(self._app, ReadingSource):
                yield from self._app.readings()

    def reload(self, config: ConductorConfig) -> None:
        """Take over what can change while it serves: what belongs to TLS, with the certificate read again."""
        try:
            self._http.reload(config.api)
        except ConfigurationError as exc:
            LOG.error("the certificate and its options stay as they were: %s", exc)

    def reload_certificate(self) -> None:
        """Read the certificate and key again, for connections from now on."""
        self._http.reload_certificate()


class APIServerMixin:
    """Gives a class of a host application an HTTP server. It is a thin shell: the class says what to serve, and when.

    The class has :meth:`api_application` and :meth:`api_config`, and calls :meth:`start_api` and :meth:`stop_api`.
    """

    _api_server: HTTPServer | None = None

    def api_application(self) -> WSGIApplication:
        """The WSGI application to serve."""
        raise NotImplementedError(f"{type(self).__name__} has to say which application is served: define api_application()")

    def api_config(self) -> APIConfig:
        """Where and how to serve it."""
        return APIConfig()

    @property
    def api_url(self) -> str:
        """The URL that is served, once it has started."""
        if self._api_server is None:
            raise RuntimeError("the API has not been started; call start_api()")
        return self._api_server.url

    def start_api(self) -> None:
        """Listen. Raises ``ConfigurationError``, which names address and reason."""
        if self._api_server is not None:
            raise RuntimeError("the API has been started already")
        server = HTTPServer(self.api_application(), self.api_config())
        server.start()
        self._api_server = server

    def stop_api(self, timeout: float = 10.0) -> None:
        """Stop serving within *timeout* seconds, whatever requests do."""
        server, self._api_server = self._api_server, None
        if server is not None:
            server.stop(Deadline.after(timeout))
