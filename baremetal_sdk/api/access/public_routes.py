"""What is served to callers without credentials: version documents, health, and what agents on machines ask."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from baremetal_interfaces import BareMetalError
from baremetal_sdk.api.framework.routes import PUBLIC, RouteTable, split_path
from baremetal_sdk.auth.identity import IDENTITY_KEY

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class PublicRoutes:
    """Hands requests for public routes to *app*, nameless, and all others to *protected*, which finds out who asks."""

    def __init__(self, app: WSGIApplication, protected: WSGIApplication, registry: RouteTable) -> None:
        self._app = app
        self._protected = protected
        self._registry = registry

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request."""
        if not self._is_open(environ):
            return self._protected(environ, start_response)
        environ.pop(IDENTITY_KEY, None)
        return self._app(environ, start_response)

    def _is_open(self, environ: WSGIEnvironment) -> bool:
        # Read as the API reads it; what that makes of a path may be wrong in one way only: that somebody has to say who he is.
        parts = split_path(environ.get("PATH_INFO", ""))
        if parts and parts[0] not in self._registry.roots:
            parts.insert(0, "v1")
        try:
            return self._registry.match(environ["REQUEST_METHOD"], parts).route.visibility == PUBLIC
        except BareMetalError:
            return False
