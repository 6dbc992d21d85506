"""JSON-RPC 2.0 over HTTP, on the server that serves the API: how calls arrive in the mode ``json-rpc``."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from baremetal_interfaces import Deadline
from baremetal_sdk.config import APIConfig, ConductorConfig, JSONRPCConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.http.server import HTTPServer
from baremetal_sdk.rpc.handler import MessageHandler

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOG = logging.getLogger(__name__)
Guard = Callable[["WSGIApplication"], "WSGIApplication"]
"""Wraps an application in one that asks who is there first."""
_PHRASES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class JSONRPCApplication:
    """Answers messages of at most *size* bytes, posted to ``/``."""

    def __init__(self, handler: MessageHandler, size: int) -> None:
        self._handler = handler
        self._size = size

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one message, or a batch of them."""
        status, content = self._answered(environ)
        headers = [("Content-Length", str(len(content)))]
        if status == 405:
            headers.append(("Allow", "POST"))
        if content:
            headers.append(("Content-Type", "application/json"))
        start_response(_PHRASES[status], headers)
        return [content]

    def _answered(self, environ: WSGIEnvironment) -> tuple[int, bytes]:
        if environ.get("PATH_INFO", "") not in ("", "/"):
            return 404, b""
        if environ["REQUEST_METHOD"] != "POST":
            return 405, b""
        # A browser sends other types to anybody without asking; this one it does not.
        if environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() != "application/json":
            return 415, b""
        data: bytes = environ["wsgi.input"].read(self._size + 1)
        if len(data) > self._size:
            return 413, b""
        answer = self._handler.answer(data)
        return (204, b"") if answer is None else (200, answer)


class JSONRPCServer:
    """Takes calls by HTTP, from its start to its stop. *guard* asks callers who they are; without one, nobody is asked."""

    def __init__(self, handler: MessageHandler, config: JSONRPCConfig, *, size: int, guard: Guard | None = None) -> None:
        self._config = config
        self._size = size
        self._guarded = guard is not None
        application: Any = JSONRPCApplication(handler, size)
        self._http = HTTPServer(guard(application) if guard else application, _served(config, size))

    def start(self) -> None:
        """Listen. Raises ``ConfigurationError``, which names option and reason."""
        config = self._config
        known = self._guarded or config.client_certificates == "required"
        if not known and not config.allow_noauth_on_public_interfaces and not _is_loopback(config.host_ip):
            raise ConfigurationError(
                f"[json_rpc] host_ip: {config.host_ip} can be reached from elsewhere, and who reaches it commands all machines; "
                "set [json_rpc] auth_strategy or client_certificates = required, listen on 127.0.0.1, or say "
                "[json_rpc] allow_noauth_on_public_interfaces = true"
            )
        try:
            self._http.start()
        except ConfigurationError as exc:
            raise ConfigurationError(_renamed(exc)) from exc.__cause__
        LOG.info("RPC is served at %s", self._http.url)

    def stop(self, deadline: Deadline) -> None:
        """Refuse new calls, let running ones end, and return by *deadline*."""
        self._http.stop(deadline)

    def reload(self, config: ConductorConfig) -> None:
        """Take over what can change while it serves: what belongs to TLS, with the certificate read again."""
        try:
            self._http.reload(_served(config.json_rpc, self._size))
        except ConfigurationError as exc:
            LOG.error("the certificate and its options stay as they were: %s", _renamed(exc))

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._http.port


def _renamed(error: ConfigurationError) -> str:
    """What is wrong; the server is configured as an API is, and here its options stand in another section."""
    return error.message.replace("[api] enable_ssl_api", "[json_rpc] use_ssl").replace("[api]", "[json_rpc]")


def _served(config: JSONRPCConfig, size: int) -> APIConfig:
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


def _is_loopback(addresses: str) -> bool:
    for address in addresses.split(","):
        try:
            if not ipaddress.ip_address(address.strip()).is_loopback:
                return False
        except ValueError:
            if address.strip() != "localhost":
                return False
    return True
