"""``metald bench``, as somebody meets it who measures a server: its figures, its exit codes, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from fixtures import TempDir
from testtools import TestCase

from metald.bench.access import Access, AccessFailed, Credentials
from metald.bench.connection import Connection, ConnectionFailed, Target
from metald.bench.recording import Recording, quantile
from metald.bench.result import Measured, Result
from metald.bench.watching import listeners
from metald.processes import Child
from tests.app.service import Service, metald
from tests.http.certificates import Authority, write_certificate


class MeasuringTest(TestCase):
    """A service that is measured by a process of its own."""

    def service(self, *lines: str) -> Service:
        """Serve with these lines of configuration."""
        directory = Path(self.useFixture(TempDir()).path)
        config = directory / "metald.conf"
        config.write_text("\n".join(lines), encoding="utf-8")
        return self.useFixture(Service("--config-file", str(config)))

    def measure(self, *arguments: str, code: int = 0, extra: dict[str, str] | None = None) -> dict[str, Any]:
        """The result of a measurement that ends with *code*."""
        ended = metald("bench", *arguments, "--json", extra=extra)
        self.assertEqual(code, ended.returncode, ended.stdout[-2000:] + ended.stderr)
        result: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        self.assertEqual("result", result["event"])
        return result

    def names(self, service: Service) -> list[str]:
        """The nodes that there are."""
        return [node["name"] for node in service.client.request("GET", "/v1/nodes")["nodes"]]

    def test_nodes_are_created_read_and_deleted(self) -> None:
        """All that it made is gone at the end, other nodes are as they were, and a picture is drawn."""
        service = self.service()
        service.client.create_node({"driver": "fake-hardware", "name": "somebody-s"})
        picture = Path(self.useFixture(TempDir()).path) / "bench.png"
        result = self.measure(service.url, "--nodes", "30", "--clients", "3", "--plot", str(picture))
        (server,) = result["servers"]
        figures = {one["operation"]: one for one in server["operations"]}
        self.assertEqual({"create": 30, "read": 30, "delete": 30}, {name: one["count"] for name, one in figures.items()})
        for one in figures.values():
            self.assertTrue(0 < one["median"] <= one["p99"] <= one["longest"], one)
            self.assertLess(0, one["rate"])
        self.assertLess(20 * 1024 * 1024, server["memory_bytes"], "the process that listens was found")
        self.assertLess(1, server["threads"])
        self.assertEqual(["somebody-s"], self.names(service))
        self.assertEqual(b"\x89PNG", picture.read_bytes()[:4])

    def test_whoever_asks_can_show_a_certificate(self) -> None:
        """A server that knows its users by their certificates is measured; without one it is refused, and that is said."""
        directory = Path(self.useFixture(TempDir()).path)
        certificate, key = write_certificate(directory, "server")
        authority = Authority("ours")
        shown, its_key = authority.issue(directory, "Racks", "alice")
        (directory / "roles").write_text("alice: admin\n", encoding="utf-8")
        service = self.service(
            "[DEFAULT]", "auth_strategy = client_certificate", "[api]", "enable_ssl_api = true", f"cert_file = {certificate}",
            f"key_file = {key}", "client_certificates = optional", f"client_ca_file = {authority.write(directory)}",
            f"roles_file = {directory / 'roles'}",
        )  # fmt: skip
        arguments = (service.url, "--nodes", "3", "--insecure")
        result = self.measure(*arguments, "--auth", "certificate", extra={"OS_CERT": shown, "OS_KEY": its_key})
        self.assertEqual([3, 3, 3], [one["count"] for one in result["servers"][0]["operations"]])
        refused = metald("bench", *arguments)
        self.assertEqual(1, refused.returncode)
        self.assertIn("401", refused.stderr)

    def test_a_failure_is_an_exit_code_and_a_reason(self) -> None:
        """A server that refuses has failed, whatever else went well."""
        service = self.service()
        result = self.measure(service.url, "--nodes", "3", "--driver", "no-such-driver", code=1)
        (failure,) = result["servers"][0]["failures"]
        self.assertEqual(("create", 3), (failure["operation"], failure["count"]))
        self.assertIn("no-such-driver", failure["reason"])

    def test_ctrl_c_leaves_nothing_behind(self) -> None:
        """Interrupted in the middle it deletes what it has made, and says that the figures are of a part."""
        service = self.service()
        directory = Path(self.useFixture(TempDir()).path)
        command = [sys.executable, "-m", "metald", "bench", service.url, "--nodes", "5000", "--json"]
        child = Child("bench", command, directory)
        self.addCleanup(child.stop)
        child.wait_for_line('{"event": "progress"', 30.0)
        self.assertNotEqual([], self.names(service))
        child.send(signal.SIGINT)
        self.assertEqual(130, child.wait(60.0))
        self.assertEqual([], self.names(service))
        self.assertTrue(json.loads(child.log.read_text(encoding="utf-8").splitlines()[-1])["interrupted"])

    def test_machines_are_deployed_and_undeployed(self) -> None:
        """Each verb is measured until the state that it leads to, with all nodes at a time."""
        result = self.measure(self.service().url, "--scenario", "deploy", "--nodes", "6")
        counts = {one["operation"]: one["count"] for one in result["servers"][0]["operations"]}
        self.assertEqual(dict.fromkeys(("create", "manage", "provide", "active", "deleted", "delete"), 6), counts)

    def test_power_sync_is_measured_while_bmcs_are_dead(self) -> None:
        """What is switched behind the server's back is seen, although a part of the BMCs answers nothing."""
        service = self.service("[conductor]", "sync_power_state_interval = 1", "bmc_call_timeout = 2")
        result = self.measure(service.url, "--scenario", "power-sync", "--nodes", "6", "--dead", "34", "--timeout", "30")
        figures = {one["operation"]: one["count"] for one in result["servers"][0]["operations"]}
        self.assertEqual((6, 4, 6), (figures["manage"], figures["power seen"], figures["delete"]))
        self.assertEqual([], self.names(service))

    def test_two_servers_take_turns(self) -> None:
        """Both are measured in one run, and the ratio of their rates is told."""
        first, second = self.service(), self.service()
        result = self.measure(first.url, "--compare", second.url, "--nodes", "5", "--rounds", "2")
        self.assertEqual([10, 10], [server["operations"][0]["count"] for server in result["servers"]])
        self.assertEqual({"create", "read", "delete"}, result["ratios"].keys())

    def test_what_cannot_be_measured_is_said_at_once(self) -> None:
        """Nobody who listens is a failure; a wrong command line and missing credentials are mistakes of the caller."""
        for arguments, code, said in (
            (("http://127.0.0.1:9",), 1, "refused"),
            (("127.0.0.1:6385",), 2, "no URL"),
            (("http://127.0.0.1:9", "--auth", "certificate"), 2, "OS_CERT"),
            (("http://127.0.0.1:9", "--auth", "http_basic"), 2, "OS_USERNAME"),
            (("http://127.0.0.1:9", "--nodes", "none"), 2, "not a number"),
        ):
            ended = metald("bench", *arguments, extra={"OS_USERNAME": "", "OS_PASSWORD": ""})
            self.assertEqual(code, ended.returncode, ended.stderr)
            self.assertIn(said, ended.stderr)
            self.assertNotIn("Traceback", ended.stderr)


class _Scripted(BaseHTTPRequestHandler):
    """Answers as its path says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a request."""
        if self.path == "/chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n")
        elif self.path == "/broken":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"short")
            self.close_connection = True
        else:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")
            # The client is not told, as with a server that closes what was silent for long.
            self.close_connection = self.path == "/stale"

    def do_POST(self) -> None:
        """Give out a token that names who asked."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["auth"]
        self.server.asked.append(asked)  # type: ignore[attr-defined]
        self.send_response(201)
        self.send_header("X-Subject-Token", f"token-{len(self.server.asked)}")  # type: ignore[attr-defined]
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class ClientTest(TestCase):
    """The client that measures."""

    def setUp(self) -> None:
        super().setUp()
        self.server = HTTPServer(("127.0.0.1", 0), _Scripted)
        self.server.asked = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def test_answers_come_in_every_form_of_http(self) -> None:
        """A body in chunks is read as one with a length; a connection that the server has closed is opened again."""
        connection = Connection(Target(self.url))
        self.addCleanup(connection.close)
        self.assertEqual(b"hello world", connection.request("GET", "/chunked", "", b"").body)
        for _ in range(2):
            self.assertEqual(b"ok", connection.request("GET", "/stale", "", b"").body)

    def test_an_answer_that_breaks_off_is_a_failure(self) -> None:
        """Half an answer is none, and it is not asked for again: the server may have acted."""
        connection = Connection(Target(self.url))
        self.addCleanup(connection.close)
        self.assertRaises(ConnectionFailed, connection.request, "GET", "/broken", "", b"")

    def test_a_token_of_keystone_is_fetched_and_renewed(self) -> None:
        """The credentials of the environment buy a token; one that is refused is replaced once for all threads."""
        environment = {"OS_AUTH_URL": self.url, "OS_USERNAME": "u", "OS_PASSWORD": "p", "OS_PROJECT_NAME": "baremetal"}
        access = Access("keystone", Credentials(environment))
        refused = access.lines
        self.assertEqual("X-Auth-Token: token-1\r\n", refused)
        self.assertTrue(access.renew(refused))
        self.assertTrue(access.renew(refused), "another thread's refusal of the same token fetches no third one")
        self.assertEqual("X-Auth-Token: token-2\r\n", access.lines)
        (asked, _) = self.server.asked  # type: ignore[attr-defined]
        self.assertEqual("u", asked["identity"]["password"]["user"]["name"])
        self.assertEqual("baremetal", asked["scope"]["project"]["name"])

    def test_the_other_server_has_credentials_of_its_own(self) -> None:
        """With the prefix a variable is taken before the plain one."""
        environment = {"OS_TOKEN": "one", "COMPARE_OS_TOKEN": "two"}
        self.assertEqual("X-Auth-Token: two\r\n", Access("token", Credentials(environment, "COMPARE_")).lines)
        self.assertRaises(AccessFailed, Access, "token", Credentials({}))

    def test_the_process_that_listens_is_found(self) -> None:
        """Memory and threads are those of whoever listens on the port."""
        self.assertEqual([os.getpid()], listeners(self.server.server_port))


class FiguresTest(TestCase):
    """What is made of samples."""

    def test_a_run_with_a_failure_or_without_any_success_is_not_well(self) -> None:
        """Only where all ended well, something was done, and nothing is left, is the result good."""
        recording = Recording()
        result = Result("create-delete", 1, 1, [Measured("server", "http://x", recording)])
        self.assertFalse(result.ok)
        recording.add("create", 0.1)
        self.assertTrue(result.ok)
        recording.failed("create", "refused")
        self.assertFalse(result.ok)

    def test_quantiles_are_of_what_was_measured(self) -> None:
        """No value is made up."""
        self.assertEqual((0.0, 50, 99), (quantile([], 0.5), quantile(range(100), 0.5), quantile(range(100), 0.99)))
