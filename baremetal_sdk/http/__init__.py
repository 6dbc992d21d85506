"""An HTTP server that a stranger cannot stop, around any WSGI application."""

from baremetal_sdk.http.listening import Listeners, listen
from baremetal_sdk.http.server import HTTPServer

__all__ = ["HTTPServer", "Listeners", "listen"]
