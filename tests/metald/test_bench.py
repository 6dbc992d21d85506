"""``metald bench`` from the view of an operator: figures, exit codes, and cleanup."""

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

from metald.bench.authentication import AuthenticationSetupError, EnvironmentCredentials, RequestAuthentication
from metald.bench.connection import BenchConnection, ConnectionFailed, ServerAddress
from metald.bench.recording import Recording, quantile
from metald.bench.resource_usage import find_listeners
from metald.bench.result import BenchResult, ServerMeasurement
from metald.processes import Child
from tests.fixtures.certificates import Authority, write_certificate
from tests.fixtures.metald_service import Service, metald


class BenchTest(TestCase):
    """A service that another process measures."""

    def start_service(self, *lines: str) -> Service:
        """Start a service with these configuration lines."""
        directory = Path(self.useFixture(TempDir()).path)
        config = directory / "metald.conf"
        config.write_text("\n".join(lines), encoding="utf-8")
        return self.useFixture(Service("--config-file", str(config)))

    def measure(self, *arguments: str, code: int = 0, extra: dict[str, str] | None = None) -> dict[str, Any]:
        """Run a measurement, check its exit code, and return its result."""
        ended = metald("bench", *arguments, "--json", extra=extra)
        self.assertEqual(code, ended.returncode, ended.stdout[-2000:] + ended.stderr)
        result: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        self.assertEqual("result", result["event"])
        return result

    def list_names(self, service: Service) -> list[str]:
        """Return the names of all nodes."""
        return [node["name"] for node in service.client.request("GET", "/v1/nodes")["nodes"]]

    def test_nodes_are_created_read_and_deleted(self) -> None:
        """The run deletes its own nodes, leaves other nodes alone, and draws a plot."""
        service = self.start_service()
        service.client.create_node({"driver": "fake-hardware", "name": "not-of-the-run"})
        picture = Path(self.useFixture(TempDir()).path) / "bench.png"
        result = self.measure(service.url, "--nodes", "30", "--clients", "3", "--plot", str(picture))
        (server,) = result["servers"]
        figures = {operation["operation"]: operation for operation in server["operations"]}
        self.assertEqual({"create": 30, "read": 30, "delete": 30}, {name: row["count"] for name, row in figures.items()})
        for row in figures.values():
            self.assertTrue(0 < row["median"] <= row["p99"] <= row["longest"], row)
            self.assertLess(0, row["rate"])
        self.assertLess(20 * 1024 * 1024, server["memory_bytes"], "the listening process was not found")
        self.assertLess(1, server["threads"])
        self.assertEqual(["not-of-the-run"], self.list_names(service))
        self.assertEqual(b"\x89PNG", picture.read_bytes()[:4])

    def test_bench_authenticates_with_a_certificate(self) -> None:
        """A server with certificate authentication can be measured. Without a certificate the command reports the 401."""
        directory = Path(self.useFixture(TempDir()).path)
        certificate, key = write_certificate(directory, "server")
        authority = Authority("ours")
        certificate_file, key_file = authority.issue(directory, "Racks", "alice")
        (directory / "roles").write_text("alice: admin\n", encoding="utf-8")
        service = self.start_service(
            "[DEFAULT]", "auth_strategy = client_certificate", "[api]", "enable_ssl_api = true", f"cert_file = {certificate}",
            f"key_file = {key}", "client_certificates = optional", f"client_ca_file = {authority.write(directory)}",
            f"roles_file = {directory / 'roles'}",
        )  # fmt: skip
        arguments = (service.url, "--nodes", "3", "--insecure")
        result = self.measure(*arguments, "--auth", "certificate", extra={"OS_CERT": certificate_file, "OS_KEY": key_file})
        self.assertEqual([3, 3, 3], [operation["count"] for operation in result["servers"][0]["operations"]])
        refused = metald("bench", *arguments)
        self.assertEqual(1, refused.returncode)
        self.assertIn("401", refused.stderr)

    def test_a_failed_operation_sets_the_exit_code_and_has_a_reason(self) -> None:
        """A rejected request makes the run fail, with the server's reason in the result."""
        service = self.start_service()
        result = self.measure(service.url, "--nodes", "3", "--driver", "no-such-driver", code=1)
        (failure,) = result["servers"][0]["failures"]
        self.assertEqual("create", failure["operation"])
        self.assertEqual(3, failure["count"])
        self.assertIn("no-such-driver", failure["reason"])

    def test_ctrl_c_leaves_nothing_behind(self) -> None:
        """After SIGINT the command deletes its nodes and marks the figures as incomplete."""
        service = self.start_service()
        directory = Path(self.useFixture(TempDir()).path)
        command = [sys.executable, "-m", "metald", "bench", service.url, "--nodes", "5000", "--json"]
        child = Child("bench", command, directory)
        self.addCleanup(child.stop)
        child.wait_for_line('{"event": "progress"', 30.0)
        self.assertNotEqual([], self.list_names(service))
        child.send(signal.SIGINT)
        self.assertEqual(130, child.wait(60.0))
        self.assertEqual([], self.list_names(service))
        self.assertTrue(json.loads(child.log.read_text(encoding="utf-8").splitlines()[-1])["interrupted"])

    def test_machines_are_deployed_and_undeployed(self) -> None:
        """The time of each verb lasts until the node reaches its state; all nodes run concurrently."""
        result = self.measure(self.start_service().url, "--scenario", "deploy", "--nodes", "6")
        counts = {operation["operation"]: operation["count"] for operation in result["servers"][0]["operations"]}
        self.assertEqual(dict.fromkeys(("create", "manage", "provide", "active", "deleted", "delete"), 6), counts)

    def test_power_sync_is_measured_while_bmcs_are_dead(self) -> None:
        """The server notices power changes although some BMCs do not answer."""
        service = self.start_service("[conductor]", "sync_power_state_interval = 1", "bmc_call_timeout = 2")
        result = self.measure(service.url, "--scenario", "power-sync", "--nodes", "6", "--dead", "34", "--timeout", "30")
        counts = {operation["operation"]: operation["count"] for operation in result["servers"][0]["operations"]}
        self.assertEqual(6, counts["manage"])
        self.assertEqual(4, counts["power seen"])
        self.assertEqual(6, counts["delete"])
        self.assertEqual([], self.list_names(service))

    def test_two_servers_are_measured_alternately(self) -> None:
        """One run measures both servers and reports the ratios."""
        first, second = self.start_service(), self.start_service()
        result = self.measure(first.url, "--compare", second.url, "--nodes", "5", "--rounds", "2")
        self.assertEqual([10, 10], [server["operations"][0]["count"] for server in result["servers"]])
        self.assertEqual({"create", "read", "delete"}, result["ratios"].keys())

    def test_an_impossible_measurement_is_reported_at_once(self) -> None:
        """An unreachable server is a failure; a wrong command line and missing credentials are usage errors."""
        for arguments, code, text in (
            (("http://127.0.0.1:9",), 1, "refused"),
            (("127.0.0.1:6385",), 2, "not the URL of an API"),
            (("http://127.0.0.1:9", "--auth", "certificate"), 2, "OS_CERT"),
            (("http://127.0.0.1:9", "--auth", "http_basic"), 2, "OS_USERNAME"),
            (("http://127.0.0.1:9", "--nodes", "none"), 2, "not a number"),
        ):
            ended = metald("bench", *arguments, extra={"OS_USERNAME": "", "OS_PASSWORD": ""})
            self.assertEqual(code, ended.returncode, ended.stderr)
            self.assertIn(text, ended.stderr)
            self.assertNotIn("Traceback", ended.stderr)


class _Scripted(BaseHTTPRequestHandler):
    """Answers according to the request path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer one request."""
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
            # The client is not informed, as with a server that closes idle connections.
            self.close_connection = self.path == "/stale"

    def do_POST(self) -> None:
        """Issue a token, and record the request."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["auth"]
        self.server.token_requests.append(request)  # type: ignore[attr-defined]
        self.send_response(201)
        self.send_header("X-Subject-Token", f"token-{len(self.server.token_requests)}")  # type: ignore[attr-defined]
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


class ClientTest(TestCase):
    """The HTTP client of the bench."""

    def setUp(self) -> None:
        super().setUp()
        self.server = HTTPServer(("127.0.0.1", 0), _Scripted)
        self.server.token_requests = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def test_all_response_framings_are_read(self) -> None:
        """The client reads a chunked body and a body with a length, and reopens a connection that the server closed."""
        connection = BenchConnection(ServerAddress(self.url))
        self.addCleanup(connection.close)
        self.assertEqual(b"hello world", connection.request("GET", "/chunked", "", b"").body)
        for _ in range(2):
            self.assertEqual(b"ok", connection.request("GET", "/stale", "", b"").body)

    def test_a_truncated_response_is_a_failure(self) -> None:
        """The client does not retry after a partial response, because the server may have processed the request."""
        connection = BenchConnection(ServerAddress(self.url))
        self.addCleanup(connection.close)
        self.assertRaises(ConnectionFailed, connection.request, "GET", "/broken", "", b"")

    def test_a_keystone_token_is_requested_and_renewed(self) -> None:
        """Credentials from the environment yield a token. All threads together replace a rejected token once."""
        environment = {"OS_AUTH_URL": self.url, "OS_USERNAME": "u", "OS_PASSWORD": "p", "OS_PROJECT_NAME": "baremetal"}
        authentication = RequestAuthentication("keystone", EnvironmentCredentials(environment))
        rejected = authentication.header_lines
        self.assertEqual("X-Auth-Token: token-1\r\n", rejected)
        self.assertTrue(authentication.renew(rejected))
        self.assertTrue(authentication.renew(rejected), "a second thread with the same rejected token must not fetch another one")
        self.assertEqual("X-Auth-Token: token-2\r\n", authentication.header_lines)
        (request, _) = self.server.token_requests  # type: ignore[attr-defined]
        self.assertEqual("u", request["identity"]["password"]["user"]["name"])
        self.assertEqual("baremetal", request["scope"]["project"]["name"])

    def test_the_second_server_can_have_its_own_credentials(self) -> None:
        """A variable with the prefix takes precedence over the plain name."""
        environment = {"OS_TOKEN": "one", "COMPARE_OS_TOKEN": "two"}
        authentication = RequestAuthentication("token", EnvironmentCredentials(environment, "COMPARE_"))
        self.assertEqual("X-Auth-Token: two\r\n", authentication.header_lines)
        self.assertRaises(AuthenticationSetupError, RequestAuthentication, "token", EnvironmentCredentials({}))

    def test_the_listening_process_is_found(self) -> None:
        """Memory and threads are those of the process that listens on the port."""
        self.assertEqual([os.getpid()], find_listeners(self.server.server_port))


class FiguresTest(TestCase):
    """Statistics over the samples."""

    def test_a_result_is_ok_only_with_successes_and_without_failures(self) -> None:
        """A result without any success, or with any failure, is not ok."""
        recording = Recording()
        result = BenchResult("create-delete", 1, 1, [ServerMeasurement("server", "http://x", recording)])
        self.assertFalse(result.ok)
        recording.add("create", 0.1)
        self.assertTrue(result.ok)
        recording.add_failure("create", "refused")
        self.assertFalse(result.ok)

    def test_quantiles_are_measured_values(self) -> None:
        """A quantile is an element of the samples, without interpolation."""
        self.assertEqual(0.0, quantile([], 0.5))
        self.assertEqual(50, quantile(range(100), 0.5))
        self.assertEqual(99, quantile(range(100), 0.99))
