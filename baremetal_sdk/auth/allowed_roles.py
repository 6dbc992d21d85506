"""Role check for callers that Keystone has authenticated.

A valid token only identifies the caller. Without a role it does not entitle the caller to manage all machines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from baremetal_interfaces import BareMetalError
from baremetal_sdk.auth.identity import IDENTITY_KEY, AuthenticationError, Identity, refuse
from baremetal_sdk.logs import get_logger

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOG = get_logger(__name__)


class AllowedRoles:
    """WSGI middleware that accepts callers with one of *roles*, in system scope or in the service's own project.

    *own_project* returns the ID of this project, or None if the service has none. The same role in another project is not
    enough: an administrator of one project must not manage the machines of all projects.
    """

    def __init__(self, app: WSGIApplication, roles: Iterable[str], own_project: Callable[[], str | None]) -> None:
        self._app = app
        self._roles = frozenset(role.lower() for role in roles)
        self._own_project = own_project

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Pass the request to the application, or respond with 403 if the caller lacks the role.

        The status is 503 if the service's own project is unknown because Keystone does not respond.
        """
        caller = environ.get(IDENTITY_KEY)
        try:
            if not isinstance(caller, Identity) or not self._is_allowed(caller):
                return refuse(environ, start_response, self._deny(caller))
        except BareMetalError as exc:
            # The own project is unknown while Keystone does not respond.
            return refuse(environ, start_response, AuthenticationError(exc.message, status=503, retry_after=exc.retry_after))
        return self._app(environ, start_response)

    def _is_allowed(self, caller: Identity) -> bool:
        if not self._roles & caller.roles:
            return False
        return caller.is_system or (caller.project is not None and caller.project == self._own_project())

    def _deny(self, caller: object) -> AuthenticationError:
        needed = f"one of the roles {', '.join(sorted(self._roles))} in system scope or in the service's own project"
        LOG.warning("denied a request of a caller without %s: %s", needed, caller)
        return AuthenticationError(f"access denied: {needed} is required", status=403)
