"""The request log, the executor of requests, the WSGI environment, and the internals of Cheroot that the server uses."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import datetime

from cheroot.server import HTTPRequest
from cheroot.server import HTTPServer as CherootServer
from cheroot.wsgi import Gateway_10
from fixtures import FakeLogger

from baremetal_interfaces import Deadline
from baremetal_sdk.concurrency.pool import ElasticPool, LaneLimits
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.http import HTTPServer
from tests.fixtures.sockets import PATIENCE, ServerTestCase

LOGGER = "baremetal_sdk.http.request_log"


class TestRequestLog(ServerTestCase):
    def _lines(self, format: str, *headers: str) -> list[str]:
        log = self.useFixture(FakeLogger(LOGGER))
        server = self.configured(request_log=format)
        self.client(server).get("/log?token=secret", *headers).answer()
        self.client(server).send(b"nonsense\r\n\r\n").rest()
        self.assertTrue(server.stop(Deadline.after(PATIENCE)))
        self.assertNotIn("secret", log.output)
        return sorted(log.output.splitlines())

    def test_the_common_format_has_a_line_for_each_request(self) -> None:
        """Rejected requests are included. No line contains the query string."""
        refused, answered = self._lines("common")
        self.assertRegex(answered, r'^127\.0\.0\.1 - - \[.{26}\] "GET /log HTTP/1\.1" 200 10$')
        self.assertRegex(refused, r'^127\.0\.0\.1 - - \[.{26}\] "- - -" 400 0$')

    def test_the_json_format_writes_one_object_per_line(self) -> None:
        """The object contains all fields, including the request ID."""
        found = [json.loads(line) for line in self._lines("json", "User-Agent: probe")]
        answered = next(line for line in found if line["status"] == 200)
        self.assertEqual(("probe", "/log", 10), (answered["agent"], answered["path"], answered["bytes"]))
        self.assertRegex(answered["request_id"], r"^req-")
        self.assertIsInstance(answered["seconds"], float)
        self.assertIsNotNone(datetime.fromisoformat(answered["date"]).tzinfo)

    def test_a_custom_format_uses_the_documented_fields(self) -> None:
        """An invalid format is rejected at the start."""
        self.assertEqual("GET took", re.sub(r" [\d.]+ s$", "", self._lines("%(method)s took %(seconds)s s")[1]))
        for wrong in ("%(methd)s", "%d", "%("):
            server = HTTPServer(self.app, dataclasses.replace(self.config, request_log=wrong))
            self.assertIn("[api] request_log", str(self.assertRaises(ConfigurationError, server.start)))

    def test_clients_cannot_forge_log_lines(self) -> None:
        """Values of clients end neither their quotes nor their line."""
        _, answered = self._lines("combined", 'User-Agent: x" 200 1 "forged\\')
        self.assertIn('"x\\x22 200 1 \\x22forged\\x5c"', answered)

    def test_without_the_option_no_line_is_written(self) -> None:
        """The request log is disabled by default."""
        self.assertEqual([], self._lines(""))


class TestExecutor(ServerTestCase):
    def test_requests_run_on_the_given_executor(self) -> None:
        """The server uses a lane of the host application's pool and leaves it open. A full lane is answered with 503."""
        deadline = Deadline.after(PATIENCE)
        with ElasticPool(1, {"web": LaneLimits(queue=1)}, name="ours") as pool:
            server = HTTPServer(self.app, self.config, executor=pool["web"])
            server.start()
            self.assertIn(b"200 OK", self.client(server).get("/one").answer())
            busy = self.client(server).get("/hang")
            self.assertTrue(self.app.entered.acquire(timeout=PATIENCE))
            waiting = self.client(server).get("/two")
            while not pool["web"].statistics.queued:
                deadline.check("a request to wait")
            self.assertIn(b"503 Service Unavailable", self.client(server).get("/three").rest())
            self.app.release.set()
            self.assertEqual([True, True], [b"200 OK" in client.answer() for client in (busy, waiting)])
            self.assertTrue(server.stop(Deadline.after(PATIENCE)))
            self.assertTrue(pool["web"].alive and pool.drain(PATIENCE))
            self.assertEqual((3, 1), (pool["web"].statistics.executed, pool["web"].statistics.refused))

    def test_a_well_formed_request_id_of_the_client_is_kept(self) -> None:
        """The application finds one ID per request in its environment."""
        given = "req-0b2cbd05-bd9a-4b0a-8bd5-0bb1ac7ae5e5"
        for header, expected in ((f"X-Openstack-Request-Id: {given}", f"^{given}$"), ("X-Openstack-Request-Id: mine", "^req-")):
            self.client().get("/", header).answer()
            self.assertRegex(self.app.environ["baremetal_sdk.request_id"], expected)

    def test_paths_are_unescaped_once_and_keep_escaped_slashes(self) -> None:
        """An escaped slash does not separate path segments."""
        self.client().get("/a%20b/c%2Fd/%2525?x=%41").answer()
        self.assertEqual("/a b/c%2Fd/%25", self.app.environ["PATH_INFO"])
        self.assertEqual("x=%41", self.app.environ["QUERY_STRING"])


class TestCheroot(ServerTestCase):
    def test_the_internals_of_cheroot_that_we_use_exist(self) -> None:
        """This test fails if a release of Cheroot renames one of them."""
        for owner, names in (
            (HTTPRequest, ("ensure_headers_sent", "send_headers", "simple_response", "write")),
            (Gateway_10, ("get_environ", "respond", "start_response", "write")),
            (CherootServer, ("can_add_keepalive_connection", "error_log", "protocol", "ready")),
        ):
            self.assertEqual([], [name for name in names if not hasattr(owner, name)], owner)
        request = HTTPRequest(CherootServer(("localhost", 0), Gateway_10), None)
        names = ("chunked_read", "chunked_write", "close_connection", "inheaders", "outheaders", "sent_headers", "status")
        self.assertEqual([], [name for name in names if not hasattr(request, name)])
