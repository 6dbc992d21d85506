"""HTTP servers for comparisons, each in a separate process.

``python -m benchmarks.http_servers NAME APPLICATION [CERT KEY]`` runs one of them.

A server prints its port once it listens, and serves until it is killed. All except ours have their fastest settings.
"""

from __future__ import annotations

import logging
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

from webob import Request, Response

THREADS = 16
BACKLOG = 1024


def answer_trivial(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Smallest possible WSGI application."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]


def answer_webob(environ: dict[str, Any], start_response: Any) -> Any:
    """Application that does the minimum of an API: it reads a header and a parameter, and answers JSON with own headers."""
    request = Request(environ)
    version = request.headers.get("X-OpenStack-Ironic-API-Version", "1.1")
    limit = request.GET.get("limit", "100")
    response = Response(json_body={"path": request.path_info, "limit": limit, "method": request.method})
    response.headers["X-OpenStack-Ironic-API-Version"] = version
    response.headers["x-openstack-request-id"] = "req-0"
    return response(environ, start_response)


def serve_ours(app: Any, cert: str | None, key: str | None) -> None:
    """Run the server of this project with its defaults."""
    from baremetal_sdk.config import APIConfig
    from baremetal_sdk.http import HTTPServer

    server = HTTPServer(app, APIConfig(port=0, enable_ssl_api=cert is not None, cert_file=cert, key_file=key))
    server.start()
    print(server.port, flush=True)
    threading.Event().wait()


def serve_cheroot(app: Any, cert: str | None, key: str | None) -> None:
    """Run Cheroot with enough threads and connections for the load."""
    from cheroot.ssl.builtin import BuiltinSSLAdapter
    from cheroot.wsgi import Server

    server = Server(("127.0.0.1", 0), app, numthreads=THREADS, request_queue_size=BACKLOG, timeout=60)
    server.keep_alive_conn_limit = None
    if cert is not None:
        server.ssl_adapter = BuiltinSSLAdapter(cert, key)
    server.prepare()
    print(server.bind_addr[1], flush=True)
    server.serve()


def serve_waitress(app: Any, cert: str | None, key: str | None) -> None:
    """Run Waitress, which has no TLS."""
    from waitress.server import create_server

    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = create_server(app, host="127.0.0.1", port=0, threads=THREADS, backlog=BACKLOG, connection_limit=1000)
    print(server.effective_port, flush=True)
    server.run()


def serve_gunicorn(app: Any, cert: str | None, key: str | None) -> None:
    """Run Gunicorn with one worker process and several threads."""
    from gunicorn.app.base import BaseApplication

    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    options = {
        "bind": f"fd://{listener.fileno()}", "workers": 1, "worker_class": "gthread", "threads": THREADS, "keepalive": 60,
        "worker_connections": 1000, "backlog": BACKLOG, "certfile": cert, "keyfile": key, "loglevel": "error",
    }  # fmt: skip

    class Application(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            for name, value in options.items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            return app

    print(listener.getsockname()[1], flush=True)
    Application().run()


SERVERS: dict[str, Callable[[Any, str | None, str | None], None]] = {
    "ours": serve_ours,
    "cheroot": serve_cheroot,
    "waitress": serve_waitress,
    "gunicorn": serve_gunicorn,
}
APPLICATIONS = {"trivial": answer_trivial, "webob": answer_webob}


if __name__ == "__main__":
    name, application, *pair = sys.argv[1:]
    cert, key = pair or (None, None)
    SERVERS[name](APPLICATIONS[application], cert, key)
