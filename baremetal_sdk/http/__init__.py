"""An HTTP server that a stranger cannot stop, around any WSGI application."""

from baremetal_sdk.http.server import HTTPServer
from baremetal_sdk.http.sockets import Listeners, listen

__all__ = ["HTTPServer", "Listeners", "listen"]
