"""Server side of the JSON-RPC transport: a conductor receives calls by HTTP, with the same HTTP server as the API."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from baremetal_interfaces import Deadline
from baremetal_interfaces.addresses import is_loopback
from baremetal_sdk.config import APIConfig, ConductorConfig, JSONRPCConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.http.server import HTTPServer
from baremetal_sdk.logs import get_logger
from baremetal_sdk.rpc.handler import MessageHandler

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOG = get_logger(__name__)
Guard = Callable[["WSGIApplication"], "WSGIApplication"]
"""Function that adds authentication to a WSGI application."""
_PHRASES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class JSONRPCApplication:
    """WSGI application that executes messages up to *size* bytes, posted to ``/`` as ``application/json``."""

    def __init__(self, handler: MessageHandler, size: int) -> None:
        self._handler = handler
        self._size = size

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Execute the message or batch in the request body, and respond with its result.

        The status is 200, or 204 if no response is needed. Another path, method, type or size gets 404, 405, 415 or 413.
        """
        status, content = self._process(environ)
        headers = [("Content-Length", str(len(content)))]
        if status == 405:
            headers.append(("Allow", "POST"))
        if content:
            headers.append(("Content-Type", "application/json"))
        start_response(_PHRASES[status], headers)
        return [content]

    def _process(self, environ: WSGIEnvironment) -> tuple[int, bytes]:
        if environ.get("PATH_INFO", "") not in ("", "/"):
            return 404, b""
        if environ["REQUEST_METHOD"] != "POST":
            return 405, b""
        # Protection against web pages: without a preflight request, a browser cannot send this type to another origin.
        if environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() != "application/json":
            return 415, b""
        data: bytes = environ["wsgi.input"].read(self._size + 1)
        if len(data) > self._size:
            return 413, b""
        answer = self._handler.answer(data)
        return (204, b"") if answer is None else (200, answer)


class JSONRPCServer:
    """Server of a conductor for calls by HTTP. *guard* adds authentication. Without it, every caller is accepted."""

    def __init__(self, handler: MessageHandler, config: JSONRPCConfig, *, size: int, guard: Guard | None = None) -> None:
        self._config = config
        self._size = size
        self._has_guard = guard is not None
        application: Any = JSONRPCApplication(handler, size)
        self._http = HTTPServer(guard(application) if guard else application, _http_config(config, size))

    def start(self) -> None:
        """Start the HTTP server. Raises ``ConfigurationError`` with the option and the reason.

        One reason is an address that other machines can reach although callers are not authenticated.
        """
        config = self._config
        authenticates = self._has_guard or config.client_certificates == "required"
        is_local = all(map(is_loopback, config.host_ip.split(",")))
        if not (authenticates or config.allow_noauth_on_public_interfaces or is_local):
            raise ConfigurationError(
                f"[json_rpc] host_ip: {config.host_ip} is reachable from other machines, "
                "and every caller would control all machines; "
                "set [json_rpc] auth_strategy or client_certificates = required, listen on 127.0.0.1, or set "
                "[json_rpc] allow_noauth_on_public_interfaces = true"
            )
        try:
            self._http.start()
        except ConfigurationError as exc:
            raise ConfigurationError(_rename_options(exc)) from exc.__cause__
        LOG.info("listening for RPC calls at %s", self._http.url)

    def stop(self, deadline: Deadline) -> None:
        """Reject new calls and wait for running calls until *deadline*."""
        self._http.stop(deadline)

    def reload(self, config: ConductorConfig) -> None:
        """Apply changed TLS options and read the certificate again. Other options need a restart.

        If the new options are invalid, log an error and keep the previous ones.
        """
        try:
            self._http.reload(_http_config(config.json_rpc, self._size))
        except ConfigurationError as exc:
            LOG.error("cannot apply the changed TLS options; the previous ones stay in use: %s", _rename_options(exc))

    @property
    def port(self) -> int:
        """TCP port of the server. Available after the start."""
        return self._http.port


def _rename_options(error: ConfigurationError) -> str:
    """Return the message with the option names of ``[json_rpc]``, because the HTTP server names those of ``[api]``."""
    return error.message.replace("[api] enable_ssl_api", "[json_rpc] use_ssl").replace("[api]", "[json_rpc]")


def _http_config(config: JSONRPCConfig, size: int) -> APIConfig:
    return APIConfig(
        host_ip=config.host_ip,
        port=config.port,
        enable_ssl_api=config.use_ssl,
        cert_file=config.cert_file,
        key_file=config.key_file,
        client_certificates=config.client_certificates,
        client_ca_file=config.client_ca_file,
        max_threads=config.max_threads,
        request_queue_size=config.call_queue_size,
        max_request_body_size=size,
        request_timeout=config.idle_timeout,
    )
