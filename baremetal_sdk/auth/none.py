"""No authentication: every client may do everything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from baremetal_sdk.auth.identity import IDENTITY_KEY

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class NoAuth:
    """Accepts all requests, without an identity.

    The HTTP server listens only on loopback and unix sockets for it, unless *allow_public* is set.
    """

    def __init__(self, app: WSGIApplication, *, allow_public: bool = False) -> None:
        self._app = app
        self.loopback_only = not allow_public

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request."""
        environ.pop(IDENTITY_KEY, None)
        return self._app(environ, start_response)
