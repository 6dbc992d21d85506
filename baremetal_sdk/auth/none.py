"""No authentication: whoever can connect may do everything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from baremetal_sdk.auth.identity import IDENTITY_KEY

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class NoAuth:
    """Lets in everybody, nameless. The HTTP server serves it to this machine alone, unless *anywhere* says that this is meant."""

    def __init__(self, app: WSGIApplication, *, anywhere: bool = False) -> None:
        self._app = app
        self.loopback_only = not anywhere

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request."""
        environ.pop(IDENTITY_KEY, None)
        return self._app(environ, start_response)
