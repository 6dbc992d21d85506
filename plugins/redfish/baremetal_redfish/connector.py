"""Logging in and out at a Redfish service."""

from __future__ import annotations

import base64
import contextlib
import ssl
from typing import Any, ClassVar
from urllib.parse import urlsplit

import sushy.exceptions

from baremetal_interfaces import (
    AuthenticationFailed,
    BMCBusy,
    BMCUnreachable,
    Connector,
    Deadline,
    Fault,
)
from baremetal_interfaces.http import BadAnswer, HTTPSession, HTTPSessionError, TLSFailed, TooLarge, tls_context
from baremetal_redfish.errors import (
    CredentialsRefused,
    PrivilegeMissing,
    SessionExpired,
    TransportFailed,
    is_busy,
    message_ids,
)
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.session import RedfishSession
from baremetal_redfish.transport import Answer

_CONTRACT_FAULTS: dict[type[Exception], Fault] = {
    AuthenticationFailed: Fault.AUTH,
    BMCUnreachable: Fault.UNREACHABLE,
    BMCBusy: Fault.BUSY,
}
_NO_SESSIONS = frozenset({404, 405, 501})
_HEADERS = {"Accept": "application/json", "OData-Version": "4.0", "User-Agent": "baremetal-redfish"}


class RedfishConnector(Connector[RedfishSession]):
    """Opens one session, by the service's own sessions where it has them and else by basic authentication."""

    shareable = True
    takes_turns = True
    loggers = ("sushy",)

    connect_seconds: ClassVar[float] = 10.0
    """What the way to a usable connection may take."""

    silence_seconds: ClassVar[float] = 60.0
    """How long a BMC may send nothing at all; some fetch a whole image before they answer."""

    request_seconds: ClassVar[float] = 60.0
    """What one request may take where no deadline is nearer."""

    def open(self, info: RedfishInfo, tls: ssl.SSLContext | None, deadline: Deadline) -> RedfishSession:
        """Log in once. What the service answers to wrong credentials is not tried in another way."""
        endpoint = info.endpoint()
        if tls is None and endpoint.tls is not None:
            tls = tls_context(endpoint.tls)
        http = HTTPSession(
            endpoint.scheme,
            endpoint.host,
            endpoint.port,
            tls=tls,
            headers=_HEADERS,
            connect_timeout=self.connect_seconds,
            read_timeout=self.silence_seconds,
            trust_option="redfish_verify_ca",
        )
        session = RedfishSession(http, info.root, self.request_seconds)
        try:
            with session.until(deadline):
                _log_in(session, info)
        except BaseException:
            http.close()
            raise
        return session

    def session_key(self, info: RedfishInfo) -> tuple[str, str]:
        """How it logs in, and at which root."""
        return (info.redfish_auth_type, info.root)

    def session_secrets(self, session: RedfishSession) -> tuple[str, ...]:
        """The session's token, or the header of basic authentication."""
        return tuple(value for name, value in session.http.headers.items() if name in ("X-Auth-Token", "Authorization"))

    def close(self, session: RedfishSession, deadline: Deadline) -> None:
        """End the session at the service, where it has one, and close the connection."""
        try:
            if session.login_path is not None:
                with session.until(deadline):
                    session.transport.delete(session.login_path)
        except (sushy.exceptions.AccessError, sushy.exceptions.ResourceNotFoundError):
            pass  # It ended by itself.
        finally:
            session.transport.end()
            session.http.close()

    def classify(self, exc: Exception) -> Fault:
        """Tell what *exc* means. A certificate that is not trusted is neither: the BMC answers, and no login was tried."""
        if isinstance(exc, TransportFailed):
            exc = exc.failure
        if isinstance(exc, HTTPSessionError):
            return Fault.OTHER if isinstance(exc, TLSFailed | BadAnswer | TooLarge) else Fault.UNREACHABLE
        if isinstance(exc, SessionExpired):
            return Fault.EXPIRED
        if isinstance(exc, CredentialsRefused):
            return Fault.AUTH
        if isinstance(exc, sushy.exceptions.HTTPError):
            return Fault.BUSY if is_busy(exc) else Fault.OTHER
        return next((fault for error, fault in _CONTRACT_FAULTS.items() if isinstance(exc, error)), Fault.OTHER)


def _log_in(session: RedfishSession, info: RedfishInfo) -> None:
    if not info.redfish_username:
        return
    if info.redfish_auth_type == "basic":
        _use_basic(session, info)
        return
    path = _sessions_path(session)
    if path is None and info.redfish_auth_type == "auto":
        _use_basic(session, info)
        return
    _use_session(session, info, path or f"{session.root}SessionService/Sessions")


def _sessions_path(session: RedfishSession) -> str | None:
    """Where sessions are made (DSP0266, 13.3.4: the root is readable by anybody and links there), or None."""
    try:
        root = session.transport.document(session.root)
    except sushy.exceptions.AccessError:
        return f"{session.root}SessionService/Sessions"  # Not by the book; its sessions may be where the book has them.
    except sushy.exceptions.ResourceNotFoundError as exc:
        raise TransportFailed(
            BadAnswer(
                f"there is no Redfish service at {session.http.endpoint}{session.root}; "
                "check redfish_address and redfish_root_prefix"
            )
        ) from exc
    path: Any = root.get("Links")
    for name in ("Sessions", "@odata.id"):
        path = path.get(name) if isinstance(path, dict) else None
    return path if isinstance(path, str) and path else None


def _use_basic(session: RedfishSession, info: RedfishInfo) -> None:
    account = f"{info.redfish_username}:{info.redfish_password}".encode()
    session.http.headers["Authorization"] = "Basic " + base64.b64encode(account).decode()
    # Something that takes an account: else wrong ones would first be noticed by many at a time, and the account be locked.
    with contextlib.suppress(PrivilegeMissing, sushy.exceptions.ResourceNotFoundError):  # It is known, whatever it may do.
        session.transport.document(f"{session.root}Systems")


def _use_session(session: RedfishSession, info: RedfishInfo, path: str) -> None:
    """Make a session. With ``auto``, a service that makes none for a reason other than the account is spoken to by basic."""
    try:
        answer = session.transport.post(path, {"UserName": info.redfish_username, "Password": info.redfish_password}, once=True)
    except PrivilegeMissing as exc:
        raise CredentialsRefused("POST", path, _Said(exc)) from None
    except sushy.exceptions.HTTPError as exc:
        if info.redfish_auth_type == "auto" and _makes_none(exc):
            _use_basic(session, info)
            return
        if exc.status_code in _NO_SESSIONS:
            wrong = f"POST {path} at {session.http.endpoint}: it makes no sessions; set redfish_auth_type to auto or basic"
            raise TransportFailed(BadAnswer(wrong)) from exc
        raise
    token = answer.headers.get("X-Auth-Token")
    if token:
        session.http.headers["X-Auth-Token"] = token
        session.transport.has_token = True
        session.login_path = _made(answer)
    elif info.redfish_auth_type == "auto":
        _use_basic(session, info)
    else:
        raise TransportFailed(BadAnswer(f"POST {path} at {session.http.endpoint}: a session was made without X-Auth-Token"))


def _makes_none(exc: sushy.exceptions.HTTPError) -> bool:
    full = any("SessionLimitExceeded" in message for message in message_ids(exc))
    return full or exc.status_code in _NO_SESSIONS


def _made(answer: Answer) -> str | None:
    """The resource that stands for the new session."""
    path = answer.headers.get("Location")
    if not path:
        try:
            document = answer.json()
        except ValueError:
            return None
        path = document.get("@odata.id") if isinstance(document, dict) else None
    return urlsplit(path).path if isinstance(path, str) and path else None


class _Said:
    """The answer behind an error, for another error that says the same of it."""

    def __init__(self, exc: sushy.exceptions.HTTPError) -> None:
        self.status_code = exc.status_code
        self._body = exc.body

    def json(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"error": self._body or {}}
