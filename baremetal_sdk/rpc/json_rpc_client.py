"""Carries messages to a conductor by HTTP, over connections that are kept."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from baremetal_interfaces import Busy, Deadline, InvalidInput
from baremetal_interfaces.connector import TLSOptions
from baremetal_interfaces.http import ConnectFailed, HTTPResponse, HTTPSession, HTTPSessionError, TLSFailed, tls_context
from baremetal_sdk.config import JSONRPCConfig
from baremetal_sdk.errors import ConductorUnreachable, ConfigurationError, MessageTooLarge, OutcomeUnknown
from baremetal_sdk.rpc.remote import no_response_error
from baremetal_sdk.store.records.node import ConductorRecord

Address = tuple[str, int]
_CONNECT = 10.0
"""Seconds for the way to a usable connection."""
_MOST_IDLE = 64
"""Connections to one conductor that are kept while nobody uses them."""


class Login(Protocol):
    """Where callers get tokens."""

    def token(self, deadline: Deadline) -> str:
        """A token that is good for a while. Raises an error of the contract where there is none."""

    def forget(self, token: str) -> None:
        """Have the next token be another one than *token*, which was refused."""


class JSONRPCTransport:
    """Exchanges messages of at most *size* bytes. *address* says where a conductor listens: host and port.

    With *login*, callers show a token of it. A message is sent twice only when nothing of it was sent the first time.
    """

    def __init__(
        self, config: JSONRPCConfig, address: Callable[[ConductorRecord], Address], *, size: int, login: Login | None = None
    ) -> None:
        self._config = config
        self._login = login
        self._address = address
        self._size = size
        self._tls = _client_context(config) if config.use_ssl else None
        self._headers = {"Content-Type": "application/json", **_credentials(config)}
        self._lock = threading.Lock()
        self._idle: dict[Address, list[HTTPSession]] = {}
        self._used: set[HTTPSession] = set()
        self._closed = False

    def exchange(self, conductor: ConductorRecord, data: bytes, deadline: Deadline) -> bytes:
        """Post *data* and give back the answer."""
        if self._login is None:
            return self._body(self._posted(conductor, data, deadline, {}), conductor)
        token = self._login.token(deadline)
        answer = self._posted(conductor, data, deadline, {"X-Auth-Token": token})
        if answer.status == 401:  # it was not run, and the token may have been taken back
            self._login.forget(token)
            answer = self._posted(conductor, data, deadline, {"X-Auth-Token": self._login.token(deadline)})
        return self._body(answer, conductor)

    def _posted(self, conductor: ConductorRecord, data: bytes, deadline: Deadline, shown: Mapping[str, str]) -> HTTPResponse:
        doing = f"a call of conductor {conductor.hostname}"
        with self._session(self._address(conductor)) as session:
            try:
                left = max(deadline.remaining(), 0.001)
                return session.request("POST", "/", body=data, headers=shown, deadline=deadline, read_timeout=left)
            except (ConnectFailed, TLSFailed) as exc:
                trust = "; is it the authority in [json_rpc] ca_file that signed it?" if isinstance(exc, TLSFailed) else ""
                wrong = f"conductor {conductor.hostname} cannot be reached: {exc}{trust}"
                raise ConductorUnreachable(wrong, retry_after=1.0) from None
            except HTTPSessionError as exc:
                raise no_response_error(deadline, doing) from exc

    def close(self) -> None:
        """Close all connections; who waits on one is answered at once."""
        with self._lock:
            self._closed = True
            sessions = [*self._used, *(one for idle in self._idle.values() for one in idle)]
            self._idle.clear()
        for session in sessions:
            session.close()

    @contextmanager
    def _session(self, address: Address) -> Iterator[HTTPSession]:
        session = self._borrowed(address)
        try:
            yield session
        finally:
            with self._lock:
                self._used.discard(session)
                idle = self._idle.setdefault(address, [])
                keep = not self._closed and len(idle) < _MOST_IDLE
                if keep:
                    # The one that was used last is used next: it is the one least likely to be closed at the other end.
                    idle.append(session)
            if not keep:
                session.close()

    def _borrowed(self, address: Address) -> HTTPSession:
        with self._lock:
            if self._closed:
                raise ConductorUnreachable("the client of the conductors was closed")
            idle = self._idle.get(address)
            session = idle.pop() if idle else self._new(address)
            self._used.add(session)
            return session

    def _new(self, address: Address) -> HTTPSession:
        return HTTPSession(
            "http" if self._tls is None else "https",
            *address,
            tls=self._tls,
            headers=self._headers,
            connect_timeout=_CONNECT,
            max_response=self._size,
            max_idle=self._config.idle_timeout / 2,
        )

    def _body(self, answer: HTTPResponse, conductor: ConductorRecord) -> bytes:
        """The body of an answer that is one. What the server says in the conductor's place was not run."""
        if answer.status == 200:
            return answer.body
        who = f"conductor {conductor.hostname}"
        if answer.status == 503:
            wait = _seconds(answer.headers.get("Retry-After"))
            raise Busy(f"{who} has no room for a call now{_reason(answer)}", retry_after=wait)
        if answer.status in (401, 403, 429):
            refused = f"{who} refuses the caller with status {answer.status}{_reason(answer)}"
            raise ConfigurationError(f"{refused}; correct {self._shown}")
        if answer.status == 413:
            raise MessageTooLarge(f"{who} takes no message of this size")
        raise OutcomeUnknown(f"{who} answered with status {answer.status}: is another service at its port?")

    @property
    def _shown(self) -> str:
        """Where it is configured what callers show."""
        if self._login is None:
            return "[json_rpc] username, password or client_cert_file"
        return f"the login in [{self._config.auth_section}], or [json_rpc] allowed_roles"


def _reason(answer: HTTPResponse) -> str:
    """What the server says of why, in front of which goes a colon."""
    try:
        return f": {str(json.loads(answer.json()['error_message'])['faultstring'])[:256]}"
    except (HTTPSessionError, ValueError, KeyError, TypeError):
        return ""


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isdecimal() and len(text) < 6 else 1.0


def _credentials(config: JSONRPCConfig) -> dict[str, str]:
    if config.username is None or config.auth_strategy == "keystone":
        return {}
    pair = f"{config.username}:{config.password or ''}".encode()
    return {"Authorization": "Basic " + base64.b64encode(pair).decode()}


def _client_context(config: JSONRPCConfig) -> ssl.SSLContext:
    options = TLSOptions(ca_file=config.ca_file, client_cert=config.client_cert_file, client_key=config.client_key_file)
    try:
        return tls_context(options)
    except InvalidInput as exc:
        raise ConfigurationError(f"[json_rpc] ca_file, client_cert_file, client_key_file: {exc.message}") from None
