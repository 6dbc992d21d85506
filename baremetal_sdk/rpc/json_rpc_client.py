"""Client side of the JSON-RPC transport: it sends messages to conductors over kept-alive HTTP connections.

This module imports neither the web framework, the database toolkit nor oslo.config.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from baremetal_interfaces import Busy, Deadline, DeadlineExceeded, InvalidInput
from baremetal_interfaces.connector import TLSOptions
from baremetal_interfaces.http import ConnectFailed, HTTPResponse, HTTPSession, HTTPSessionError, TLSFailed, tls_context
from baremetal_sdk.config import JSONRPCConfig
from baremetal_sdk.errors import ConductorUnreachable, ConfigurationError, MessageTooLarge, OutcomeUnknown
from baremetal_sdk.rpc.remote import no_response_error
from baremetal_sdk.store.records.node import ConductorRecord

Address = tuple[str, int]
"""Host and port of a conductor."""
_CONNECT_TIMEOUT_S = 10.0
"""Seconds for establishing a connection, including the TLS handshake."""
_MAX_IDLE_CONNECTIONS = 64
"""Number of idle connections to one conductor that are kept open."""


class TokenProvider(Protocol):
    """Source of the tokens with which callers authenticate."""

    def get_token(self, deadline: Deadline) -> str:
        """Return a token that is valid now and not about to expire. Raises a ``BareMetalError`` if none is available."""

    def discard_token(self, token: str) -> None:
        """Discard *token*, which was rejected, so that the next token is a new one."""


class JSONRPCTransport:
    """Transport that posts messages to conductors and returns their responses. Thread-safe.

    *address* returns the host and the port of a conductor. *size* is the maximum size of a response in bytes. With *login*,
    messages carry one of its tokens. If a conductor rejects the token, the message is sent once more with a new token. Other
    failed messages are not repeated here.
    """

    def __init__(
        self,
        config: JSONRPCConfig,
        address: Callable[[ConductorRecord], Address],
        *,
        size: int,
        login: TokenProvider | None = None,
    ) -> None:
        self._config = config
        self._login = login
        self._address = address
        self._size = size
        self._tls = _create_tls_context(config) if config.use_ssl else None
        self._headers = {"Content-Type": "application/json", **(_basic_auth_header(config) if login is None else {})}
        self._lock = threading.Lock()
        self._idle: dict[Address, list[HTTPSession]] = {}
        self._used: set[HTTPSession] = set()
        self._closed = False

    def exchange(self, conductor: ConductorRecord, data: bytes, deadline: Deadline) -> bytes:
        """Send *data* to the conductor and return its response.

        The errors are those of ``MessageTransport.exchange``, and also ``ConfigurationError`` for rejected credentials and
        ``MessageTooLarge``.
        """
        if self._login is None:
            return self._extract_body(self._post(conductor, data, deadline, {}), conductor)
        token = self._login.get_token(deadline)
        response = self._post(conductor, data, deadline, {"X-Auth-Token": token})
        if response.status == 401:
            # The token may have been revoked. The conductor checks it before the call, so a second attempt is safe.
            self._login.discard_token(token)
            response = self._post(conductor, data, deadline, {"X-Auth-Token": self._login.get_token(deadline)})
        return self._extract_body(response, conductor)

    def _post(self, conductor: ConductorRecord, data: bytes, deadline: Deadline, headers: Mapping[str, str]) -> HTTPResponse:
        operation = f"a call to conductor {conductor.hostname}"
        with self._session(self._address(conductor)) as session:
            try:
                left = max(deadline.remaining(), 0.001)
                return session.request("POST", "/", body=data, headers=headers, deadline=deadline, read_timeout=left)
            except (ConnectFailed, TLSFailed) as exc:
                # Nothing was sent yet, so the call was certainly not executed.
                remedy = (
                    "; check that [json_rpc] ca_file contains the authority of its certificate"
                    if isinstance(exc, TLSFailed)
                    else ""
                )
                wrong = f"cannot reach conductor {conductor.hostname}: {exc}{remedy}"
                raise ConductorUnreachable(wrong, retry_after=1.0) from None
            except HTTPSessionError as exc:
                raise no_response_error(deadline, operation) from exc

    def close(self) -> None:
        """Close all connections. Calls that wait for a response fail at once."""
        with self._lock:
            self._closed = True
            sessions = [*self._used, *(session for idle in self._idle.values() for session in idle)]
            self._idle.clear()
        for session in sessions:
            session.close()

    @contextmanager
    def _session(self, address: Address) -> Iterator[HTTPSession]:
        session = self._borrow_session(address)
        try:
            yield session
        finally:
            with self._lock:
                self._used.discard(session)
                idle = self._idle.setdefault(address, [])
                keep = not self._closed and len(idle) < _MAX_IDLE_CONNECTIONS
                if keep:
                    # A stack: the connection that was used last is used next, because the conductor is least likely to have
                    # closed it as idle.
                    idle.append(session)
            if not keep:
                session.close()

    def _borrow_session(self, address: Address) -> HTTPSession:
        with self._lock:
            if self._closed:
                raise ConductorUnreachable("the call was not sent: this RPC client was closed")
            idle = self._idle.get(address)
            session = idle.pop() if idle else self._create_session(address)
            self._used.add(session)
            return session

    def _create_session(self, address: Address) -> HTTPSession:
        return HTTPSession(
            "http" if self._tls is None else "https",
            *address,
            tls=self._tls,
            headers=self._headers,
            connect_timeout=_CONNECT_TIMEOUT_S,
            max_response=self._size,
            # Half of the server's timeout: a connection that the server closes at this moment would lose a call.
            max_idle=self._config.idle_timeout / 2,
        )

    def _extract_body(self, response: HTTPResponse, conductor: ConductorRecord) -> bytes:
        """Return the body of a response with status 200, or raise the error for another status.

        The statuses 401, 403, 413, 429 and 503 come from the HTTP server in front of the methods, so nothing was executed. For
        any other status the call may have been executed (``OutcomeUnknown``).
        """
        if response.status == 200:
            return response.body
        name = f"conductor {conductor.hostname}"
        if response.status == 503:
            retry_after = _parse_retry_after(response.headers.get("Retry-After"))
            raise Busy(f"{name} rejected the call at its limit of calls{_find_reason(response)}", retry_after=retry_after)
        if response.status in (401, 403, 429):
            rejected = f"{name} rejects the caller with status {response.status}{_find_reason(response)}"
            raise ConfigurationError(f"{rejected}; correct {self._credential_options}")
        if response.status == 413:
            raise MessageTooLarge(f"{name} rejects messages of this size; raise [DEFAULT] rpc_max_message_size")
        raise OutcomeUnknown(f"{name} responded with status {response.status}; check that no other service uses its port")

    @property
    def _credential_options(self) -> str:
        """Names of the options with the caller's credentials."""
        if self._login is None:
            return "[json_rpc] username, password or client_cert_file"
        return f"the login in [{self._config.auth_section}], or [json_rpc] allowed_roles"


def _find_reason(response: HTTPResponse) -> str:
    """Return the server's error message in *response* with a colon in front, or an empty text if it has none."""
    try:
        return f": {str(json.loads(response.json()['error_message'])['faultstring'])[:256]}"
    except (HTTPSessionError, ValueError, KeyError, TypeError):
        return ""


def _parse_retry_after(text: str | None) -> float:
    return float(text) if text is not None and text.isdecimal() and len(text) < 6 else 1.0


def _basic_auth_header(config: JSONRPCConfig) -> dict[str, str]:
    if config.username is None:
        return {}
    pair = f"{config.username}:{config.password or ''}".encode()
    return {"Authorization": "Basic " + base64.b64encode(pair).decode()}


def _create_tls_context(config: JSONRPCConfig) -> ssl.SSLContext:
    options = TLSOptions(ca_file=config.ca_file, client_cert=config.client_cert_file, client_key=config.client_key_file)
    try:
        return tls_context(options)
    except (InvalidInput, DeadlineExceeded) as exc:
        reason = f" ({exc.__cause__})" if exc.__cause__ is not None else ""
        raise ConfigurationError(f"[json_rpc] ca_file, client_cert_file, client_key_file: {exc.message}{reason}") from None
