"""Keystone's WSGI application on a port of loopback; run by the Python of an environment that has Keystone in it."""

from __future__ import annotations

import importlib
import os
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def main(configuration: str) -> None:
    """Serve on a free port, whose number is the only line on standard output."""
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = configuration
    sys.argv = ["keystone"]
    application = importlib.import_module("keystone.server.wsgi").initialize_public_application()
    server = make_server("127.0.0.1", 0, application, _Server, _Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
