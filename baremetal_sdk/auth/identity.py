"""Who asks: what authentication puts into the WSGI environment, and what is public."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from baremetal_sdk.http.error_responses import error_body, status_line
from baremetal_sdk.http.request_id import request_id

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

IDENTITY_KEY = "baremetal_sdk.identity"
"""Where the :class:`Identity` of the caller is in the WSGI environment. No client can set it: headers begin with ``HTTP_``."""
ADMIN_ROLES = frozenset({"admin", "member", "reader"})
"""The roles of those whose way of authentication knows no roles: they administer."""
PUBLIC_PATHS = frozenset({"", "/", "/v1", "/v1/", "/healthz", "/readyz"})
"""Paths for which nobody has to say who they are: the version documents, and health."""


@dataclass(frozen=True)
class Identity:
    """Who asks. *project* is None for those who belong to none, such as administrators of the whole system."""

    user: str
    project: str | None = None
    roles: frozenset[str] = ADMIN_ROLES
    is_system: bool = False
    """Whether the caller acts for the whole system, and not for a project."""
    project_name: str | None = None
    project_domain: str | None = None
    """The id of the domain that the project is in."""


class Authenticator:
    """The middleware: it lets in those whom :meth:`identify` knows, with their :class:`Identity` in the environment."""

    def __init__(self, app: WSGIApplication, public: Iterable[str] = PUBLIC_PATHS) -> None:
        self._app = app
        self._public = frozenset(public)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request of somebody known, or one for which that does not matter."""
        environ.pop(IDENTITY_KEY, None)
        if environ.get("PATH_INFO", "") not in self._public:
            try:
                identity = self.identify(environ)
            except AuthenticationError as exc:
                return refuse(environ, start_response, exc)
            environ[IDENTITY_KEY] = identity
            environ["REMOTE_USER"] = identity.user
        return self._app(environ, start_response)

    def identify(self, environ: dict[str, Any]) -> Identity:
        """Who asks. Raises :class:`AuthenticationError`."""
        raise NotImplementedError


class AuthenticationError(Exception):
    """Nobody whom we know, or not now: the answer for it."""

    def __init__(self, reason: str, *, status: int = 401, challenge: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.status, self.challenge, self.retry_after = status, challenge, retry_after


def refuse(environ: WSGIEnvironment, start_response: StartResponse, why: AuthenticationError) -> Iterable[bytes]:
    """Answer a request that is not let in, in the clients' format."""
    body = error_body(why.status, str(why))
    name = request_id(environ)
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    headers += [("x-openstack-request-id", name), ("openstack-request-id", name)]
    if why.challenge is not None:
        headers.append(("WWW-Authenticate", why.challenge))
    if why.retry_after is not None:
        headers.append(("Retry-After", str(max(1, round(why.retry_after)))))
    start_response(status_line(why.status), headers)
    return [body]
