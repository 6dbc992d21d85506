"""WSGI middleware that exempts public routes from authentication: version documents, health checks, and calls of agents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from baremetal_interfaces import BareMetalError
from baremetal_sdk.api.framework.routes import PUBLIC, RouteTable, split_path
from baremetal_sdk.auth.identity import IDENTITY_KEY

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class PublicRoutes:
    """WSGI middleware: requests for public routes go to *app*, all others to *protected*, which authenticates them."""

    def __init__(self, app: WSGIApplication, protected: WSGIApplication, table: RouteTable) -> None:
        self._app = app
        self._protected = protected
        self._table = table

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Pass one request to the application for its route."""
        if not self._is_public(environ):
            return self._protected(environ, start_response)
        # An identity in the environment would come from outside, because no authentication ran for this request.
        environ.pop(IDENTITY_KEY, None)
        return self._app(environ, start_response)

    def _is_public(self, environ: WSGIEnvironment) -> bool:
        # This must not find a public route where the application finds another one. So the path is read as the
        # application reads it, and any doubt (here also a suffix ".json") means that authentication is required.
        parts = split_path(environ.get("PATH_INFO", ""))
        if parts and parts[0] not in self._table.roots:
            parts.insert(0, "v1")
        try:
            return self._table.match(environ["REQUEST_METHOD"], parts).route.visibility == PUBLIC
        except BareMetalError:
            return False
