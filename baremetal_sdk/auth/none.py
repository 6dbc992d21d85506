"""Middleware for ``auth_strategy = noauth``: every client may do everything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from baremetal_sdk.auth.identity import IDENTITY_KEY

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class NoAuth:
    """WSGI middleware that accepts all requests and sets no identity.

    Without *allow_public*, the HTTP server refuses to serve it on addresses that other machines can reach.
    """

    def __init__(self, app: WSGIApplication, *, allow_public: bool = False) -> None:
        self._app = app
        self.loopback_only = not allow_public

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Remove an identity from the environment and call the application."""
        environ.pop(IDENTITY_KEY, None)
        return self._app(environ, start_response)
