"""The caller's identity, and the base class of the authentication middleware."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from baremetal_sdk.http.error_responses import build_error_body, format_status
from baremetal_sdk.http.request_id import get_request_id

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

IDENTITY_KEY = "baremetal_sdk.identity"
"""Key of the caller's :class:`Identity` in the WSGI environment. Clients cannot set it: keys of headers begin with ``HTTP_``."""
VALIDITY_KEY = "baremetal_sdk.identity_is_valid"
"""Key of a function in the WSGI environment. It returns whether the authentication of the request would succeed again, with the
same result. Responses that last, such as event streams, call it often."""
ADMIN_ROLES = frozenset({"admin", "member", "reader"})
"""Roles of callers whose kind of authentication has no roles: administrators."""
PUBLIC_PATHS = frozenset({"", "/", "/v1", "/v1/", "/healthz", "/readyz"})
"""Paths without authentication: version documents and health checks."""


def add_validity(environ: WSGIEnvironment, is_valid: Callable[[], bool]) -> None:
    """Add a condition under which the identity in *environ* remains valid."""
    earlier: Callable[[], bool] | None = environ.get(VALIDITY_KEY)
    environ[VALIDITY_KEY] = is_valid if earlier is None else lambda: earlier() and is_valid()


@dataclass(frozen=True)
class Identity:
    """An authenticated caller. *project* is None for a caller without a project, such as a system administrator."""

    user: str
    project: str | None = None
    roles: frozenset[str] = ADMIN_ROLES
    is_system: bool = False
    """True if the caller has system scope instead of a project."""
    project_name: str | None = None
    project_domain: str | None = None
    """ID of the project's domain."""


class Authenticator:
    """WSGI middleware that requires authentication, except for the paths in *public*.

    It puts the :class:`Identity` that :meth:`identify` returns into the environment.
    """

    def __init__(self, app: WSGIApplication, public: Iterable[str] = PUBLIC_PATHS) -> None:
        self._app = app
        self._public = frozenset(public)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Pass the request to the application if its caller is authenticated or its path public. Else respond with an error."""
        # An outer middleware may have left an identity that this one did not check.
        environ.pop(IDENTITY_KEY, None)
        environ.pop(VALIDITY_KEY, None)
        if environ.get("PATH_INFO", "") not in self._public:
            try:
                identity = self.identify(environ)
            except AuthenticationError as exc:
                return refuse(environ, start_response, exc)
            environ[IDENTITY_KEY] = identity
            environ["REMOTE_USER"] = identity.user
        return self._app(environ, start_response)

    def identify(self, environ: dict[str, Any]) -> Identity:
        """Return the caller's identity, or raise :class:`AuthenticationError`. Subclasses implement this."""
        raise NotImplementedError


class AuthenticationError(Exception):
    """Refusal of a request whose caller is not authenticated or not allowed, with status and headers of the response.

    *challenge* is the value of the header WWW-Authenticate, *retry_after* that of Retry-After in seconds.
    """

    def __init__(self, reason: str, *, status: int = 401, challenge: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.status, self.challenge, self.retry_after = status, challenge, retry_after


def refuse(environ: WSGIEnvironment, start_response: StartResponse, error: AuthenticationError) -> Iterable[bytes]:
    """Start the response for *error* and return its body, in the format that clients of the Bare Metal API parse."""
    body = build_error_body(error.status, str(error))
    ident = get_request_id(environ)
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    headers += [("x-openstack-request-id", ident), ("openstack-request-id", ident)]
    if error.challenge is not None:
        headers.append(("WWW-Authenticate", error.challenge))
    if error.retry_after is not None:
        headers.append(("Retry-After", str(max(1, round(error.retry_after)))))
    start_response(format_status(error.status), headers)
    return [body]
