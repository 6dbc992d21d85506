"""A plain client of a Redfish service, and a server of images."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import fixtures
import testtools

from baremetal_fake.redfish import RedfishService


class Reply:
    """An answer: status, headers, and the body as JSON or None without a body."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.headers = answer.headers
        content = answer.read()
        self.body: Any = json.loads(content) if content else None

    @property
    def message_id(self) -> str:
        """Name of the message in a Redfish error."""
        return str(self.body["error"]["@Message.ExtendedInfo"][0]["MessageId"]).rpartition(".")[2]


class RedfishClient:
    """A client with one persistent connection. Each request times out after ten seconds."""

    def __init__(self, url: str, *, basic: tuple[str, str] | None = None, context: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if parts.scheme == "https":
            self.connection: http.client.HTTPConnection = http.client.HTTPSConnection(host, port, timeout=10.0, context=context)
        else:
            self.connection = http.client.HTTPConnection(host, port, timeout=10.0)
        self.headers: dict[str, str] = {}
        if basic is not None:
            self.headers["Authorization"] = "Basic " + base64.b64encode(":".join(basic).encode()).decode()

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        given = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        self.connection.request(method, path, content, given)
        return Reply(self.connection.getresponse())

    def get(self, path: str, **headers: str) -> Reply:
        return self("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Reply:
        return self("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Reply:
        return self("PATCH", path, body, **headers)

    def reset(self, system: str, kind: str) -> Reply:
        """Send a power command."""
        return self.post(f"{system}/Actions/ComputerSystem.Reset", {"ResetType": kind})

    def log_in(self, username: str = "admin", password: str = "secret") -> Reply:
        """Open a session and send its token with all further requests."""
        reply = self.post("/redfish/v1/SessionService/Sessions", {"UserName": username, "Password": password})
        if reply.status == 201:
            self.headers["X-Auth-Token"] = reply.headers["X-Auth-Token"]
        return reply

    def close(self) -> None:
        self.connection.close()


class RedfishCase(testtools.TestCase):
    """A test case that stops its services and closes its clients at the end."""

    def service(self, *args: Any, **kwargs: Any) -> RedfishService:
        service = RedfishService(*args, **kwargs)
        service.start()
        self.addCleanup(service.stop)
        return service

    def client(self, service: RedfishService, index: int = 0, **kwargs: Any) -> RedfishClient:
        client = RedfishClient(service.url_of(index), **kwargs)
        self.addCleanup(client.close)
        return client


class _Images(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        name = self.path.rpartition("/")[2]
        status = {"boot.iso": 200, "get-only.iso": 405, "secret.iso": 401}.get(name, 404)
        self.send_response(status)
        self.send_header("Content-Length", "1")
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200 if self.path.endswith("/get-only.iso") else 404)
        self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(b"x")

    def log_message(self, format: str, *args: Any) -> None:
        """Write no log."""


class ImageServer(fixtures.Fixture):
    """A server that has ``boot.iso``, and refuses other names in several ways."""

    def _setUp(self) -> None:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Images)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.addCleanup(thread.join, 10.0)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
