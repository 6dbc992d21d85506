"""The Bare Metal API as a WSGI application, and the HTTP server that carries it or any other WSGI application."""

from baremetal_sdk.api.app import bare_metal_api, routes
from baremetal_sdk.api.backend import Backend

__all__ = ["Backend", "bare_metal_api", "routes"]
