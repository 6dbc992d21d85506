"""Connector for Redfish: login and logout at a service, and the meaning of its exceptions."""

from __future__ import annotations

import base64
import contextlib
import ssl
from typing import Any, ClassVar

import sushy.exceptions

from baremetal_interfaces import (
    AuthenticationFailed,
    BMCBusy,
    BMCUnreachable,
    Connector,
    Deadline,
    Fault,
)
from baremetal_interfaces.addresses import get_url_path
from baremetal_interfaces.http import (
    BadAnswer,
    Broken,
    ConnectFailed,
    HandshakeFailed,
    HTTPSession,
    HTTPSessionError,
    NameLookupFailed,
    TimedOut,
    tls_context,
)
from baremetal_redfish.errors import (
    CredentialsRefused,
    PrivilegeMissing,
    SessionExpired,
    TransportFailed,
    get_message_ids,
    is_busy,
)
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.response import RedfishResponse
from baremetal_redfish.session import RedfishSession

_CONTRACT_FAULTS: dict[type[Exception], Fault] = {
    AuthenticationFailed: Fault.AUTH,
    BMCUnreachable: Fault.UNREACHABLE,
    BMCBusy: Fault.BUSY,
}
_HTTP_FAULTS: tuple[tuple[type[HTTPSessionError], Fault], ...] = (
    (NameLookupFailed, Fault.UNRESOLVED),
    # A server that accepts connections may be silent because of the scheme, the account or the system of one node.
    (HandshakeFailed, Fault.UNANSWERED),
    (TimedOut, Fault.UNANSWERED),
    (Broken, Fault.UNANSWERED),
    (ConnectFailed, Fault.UNREACHABLE),
    # The server answered, or nothing was sent.
    (HTTPSessionError, Fault.OTHER),
)
"""Errors of the HTTP client and their faults. The first class that fits decides."""
_NO_SESSION_STATUSES = frozenset({404, 405, 501})
_HEADERS = {"Accept": "application/json", "OData-Version": "4.0", "User-Agent": "baremetal-redfish"}


class RedfishConnector(Connector[RedfishSession]):
    """Opens Redfish sessions, or uses basic authentication, depending on ``redfish_auth_type`` and the service."""

    shareable = True
    takes_turns = True
    loggers = ("sushy",)

    connect_timeout_s: ClassVar[float] = 10.0
    """Seconds for name lookup, TCP connection and TLS handshake together."""

    read_timeout_s: ClassVar[float] = 60.0
    """Longest silence of a BMC during a response, in seconds. Some BMCs fetch a whole image before they answer."""

    request_timeout_s: ClassVar[float] = 60.0
    """Seconds for one request of a thread that has no earlier deadline."""

    def open(self, info: RedfishInfo, tls: ssl.SSLContext | None, deadline: Deadline) -> RedfishSession:
        """Log in exactly once and return the session. Without a username no login is made.

        Refused credentials are not tried by another kind of login, because failures may lock the account.
        """
        endpoint = info.endpoint()
        if tls is None and endpoint.tls is not None:
            tls = tls_context(endpoint.tls, deadline)
        http = HTTPSession(
            endpoint.scheme,
            endpoint.host,
            endpoint.port,
            tls=tls,
            headers=_HEADERS,
            connect_timeout=self.connect_timeout_s,
            read_timeout=self.read_timeout_s,
            trust_option="redfish_verify_ca",
        )
        session = RedfishSession(http, info.root, self.request_timeout_s)
        try:
            with session.until(deadline):
                _log_in(session, info)
        except BaseException:
            http.close()
            raise
        return session

    def session_key(self, info: RedfishInfo) -> tuple[str, str]:
        """Return the kind of login and the service root: sessions with different values are not shared."""
        return (info.redfish_auth_type, info.root)

    def failure_scope(self, info: RedfishInfo) -> str | None:
        """Return the path of the system: one that does not answer says nothing about other systems of the service."""
        return info.system_path

    def session_secrets(self, session: RedfishSession) -> tuple[str, ...]:
        """Return the session's token or the value of its basic authentication header; empty without a login."""
        return tuple(value for name, value in session.http.headers.items() if name in ("X-Auth-Token", "Authorization"))

    def close(self, session: RedfishSession, deadline: Deadline) -> None:
        """Delete the session at the service, if it has one, and close all connections, even if the deletion fails."""
        try:
            if session.login_path is not None:
                with session.until(deadline):
                    session.transport.delete(session.login_path)
        except (sushy.exceptions.AccessError, sushy.exceptions.ResourceNotFoundError):
            pass  # The service has already ended the session.
        finally:
            session.transport.end()
            session.http.close()

    def classify(self, exc: Exception) -> Fault:
        """Return the fault for an exception of sushy, of the HTTP client or of this plugin.

        An untrusted certificate is ``OTHER``: the BMC is reachable, and no login was tried.
        """
        if isinstance(exc, TransportFailed):
            exc = exc.failure
        if isinstance(exc, HTTPSessionError):
            return next(fault for error, fault in _HTTP_FAULTS if isinstance(exc, error))
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
        _use_basic_auth(session, info)
        return
    path = _find_sessions_path(session)
    if path is None and info.redfish_auth_type == "auto":
        _use_basic_auth(session, info)
        return
    _create_session(session, info, path or f"{session.root}SessionService/Sessions")


def _find_sessions_path(session: RedfishSession) -> str | None:
    """Return the path of the service's collection of sessions, or None if the service has no sessions.

    The service root is readable without a login and links to the collection (DSP0266, 13.3.4).
    """
    try:
        root = session.transport.read_document(session.root)
    except sushy.exceptions.AccessError:
        # This service requires a login for its root, against the specification. Try the collection's usual path.
        return f"{session.root}SessionService/Sessions"
    except sushy.exceptions.ResourceNotFoundError as exc:
        raise TransportFailed(
            BadAnswer(
                f"no Redfish service at {session.http.endpoint}{session.root}; check redfish_address and redfish_root_prefix"
            )
        ) from exc
    path: Any = root.get("Links")
    for name in ("Sessions", "@odata.id"):
        path = path.get(name) if isinstance(path, dict) else None
    return path if isinstance(path, str) and path else None


def _use_basic_auth(session: RedfishSession, info: RedfishInfo) -> None:
    account = f"{info.redfish_username}:{info.redfish_password}".encode()
    session.http.headers["Authorization"] = "Basic " + base64.b64encode(account).decode()
    # Verify the account with a resource that requires it. Otherwise several threads would find out at once that the
    # credentials are wrong, and their failures could lock the account. A missing privilege or resource is no failure of
    # the login.
    with contextlib.suppress(PrivilegeMissing, sushy.exceptions.ResourceNotFoundError):
        session.transport.read_document(f"{session.root}Systems", large=True)


def _create_session(session: RedfishSession, info: RedfishInfo, path: str) -> None:
    """Create a session at *path* and send its token with all later requests.

    With ``redfish_auth_type`` ``auto``, use basic authentication if the service cannot create a session. Refused credentials
    are not tried again by basic authentication.
    """
    try:
        response = session.transport.post(path, {"UserName": info.redfish_username, "Password": info.redfish_password}, once=True)
    except PrivilegeMissing as exc:
        # A login requires no privilege, so that status 403 is a refusal of the credentials.
        raise CredentialsRefused("POST", path, _CopiedResponse(exc)) from None
    except sushy.exceptions.HTTPError as exc:
        if info.redfish_auth_type == "auto" and _cannot_create_session(exc):
            _use_basic_auth(session, info)
            return
        if exc.status_code in _NO_SESSION_STATUSES:
            wrong = f"POST {path} at {session.http.endpoint}: the service has no sessions; set redfish_auth_type to auto or basic"
            raise TransportFailed(BadAnswer(wrong)) from exc
        raise
    token = response.headers.get("X-Auth-Token")
    if token:
        session.http.headers["X-Auth-Token"] = token
        session.transport.has_token = True
        session.login_path = _find_session_path(response)
    elif info.redfish_auth_type == "auto":
        _use_basic_auth(session, info)
    else:
        wrong = f"POST {path} at {session.http.endpoint}: the service created a session without X-Auth-Token"
        raise TransportFailed(BadAnswer(f"{wrong}; set redfish_auth_type to auto or basic"))


def _cannot_create_session(exc: sushy.exceptions.HTTPError) -> bool:
    limit_reached = any("SessionLimitExceeded" in message for message in get_message_ids(exc))
    return limit_reached or exc.status_code in _NO_SESSION_STATUSES


def _find_session_path(response: RedfishResponse) -> str | None:
    """Return the path of the new session's resource from the response to its creation, or None if it names none."""
    path = response.headers.get("Location")
    if not path:
        try:
            document = response.json()
        except ValueError:
            return None
        path = document.get("@odata.id") if isinstance(document, dict) else None
    return get_url_path(path) or None if isinstance(path, str) else None


class _CopiedResponse:
    """Stand-in for the response that caused the sushy error *exc*, with its status and body.

    Another sushy error can be created from it, because sushy's errors do not keep their response.
    """

    def __init__(self, exc: sushy.exceptions.HTTPError) -> None:
        self.status_code = exc.status_code
        self._body = exc.body

    def json(self) -> dict[str, Any]:
        """Return the body of the response as sushy expects it: an object with ``error``."""
        return {"error": self._body or {}}
