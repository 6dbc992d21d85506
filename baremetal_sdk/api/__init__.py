"""The Bare Metal API as a WSGI application, and the HTTP server that serves it or any other WSGI application."""

from typing import TYPE_CHECKING

from baremetal_sdk.exports import lazy_exports

if TYPE_CHECKING:
    from baremetal_sdk.api.app import bare_metal_api
    from baremetal_sdk.api.framework.backend import Backend
    from baremetal_sdk.api.server import APIServer, APIServerMixin, HTTPServer
    from baremetal_sdk.api.v1.catalog import routes
else:
    __getattr__ = lazy_exports(
        __name__,
        {
            "app": ("bare_metal_api",),
            "framework.backend": ("Backend",),
            "server": ("APIServer", "APIServerMixin", "HTTPServer"),
            "v1.catalog": ("routes",),
        },
    )

__all__ = ["APIServer", "APIServerMixin", "Backend", "HTTPServer", "bare_metal_api", "routes"]
