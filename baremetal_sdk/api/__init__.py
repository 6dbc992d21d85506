"""The Bare Metal API as a WSGI application, and the HTTP server that carries it or any other WSGI application."""

from baremetal_sdk.api.app import bare_metal_api, routes
from baremetal_sdk.api.framework.backend import Backend
from baremetal_sdk.api.server import APIServer, APIServerMixin
from baremetal_sdk.http import HTTPServer

__all__ = ["APIServer", "APIServerMixin", "Backend", "HTTPServer", "bare_metal_api", "routes"]
