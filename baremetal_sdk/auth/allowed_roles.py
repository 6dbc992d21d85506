"""Lets services in, behind Keystone: a valid token says who somebody is, and not that they may command all machines."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from baremetal_interfaces import BareMetalError
from baremetal_sdk.auth.identity import IDENTITY_KEY, AuthenticationError, Identity, refuse

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOG = logging.getLogger(__name__)


class AllowedRoles:
    """Lets in whoever has one of *roles* in the whole system, or in the project that *own_project* tells: the service's own.

    An administrator of some other project is none of the machines in all of them.
    """

    def __init__(self, app: WSGIApplication, roles: Iterable[str], own_project: Callable[[], str | None]) -> None:
        self._app = app
        self._roles = frozenset(role.lower() for role in roles)
        self._own_project = own_project

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request of somebody who may."""
        who = environ.get(IDENTITY_KEY)
        try:
            if not isinstance(who, Identity) or not self._may(who):
                return refuse(environ, start_response, self._refusal(who))
        except BareMetalError as exc:
            why = AuthenticationError(exc.message, status=503, retry_after=exc.retry_after)
            return refuse(environ, start_response, why)
        return self._app(environ, start_response)

    def _may(self, who: Identity) -> bool:
        if not self._roles & who.roles:
            return False
        return who.is_system or (who.project is not None and who.project == self._own_project())

    def _refusal(self, who: object) -> AuthenticationError:
        needed = f"one of the roles {', '.join(sorted(self._roles))}, in the whole system or in the service's own project"
        LOG.warning("a caller was refused, who does not have %s: %s", needed, who)
        return AuthenticationError(f"{needed}, is needed", status=403)
