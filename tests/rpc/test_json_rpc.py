"""The behaviour of RPC by JSON-RPC over HTTP, and what only that mode has."""

from __future__ import annotations

import dataclasses
import http.client
import json
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import bcrypt
from fixtures import FakeLogger, TempDir
from testtools import TestCase

from baremetal_interfaces import BareMetalError, Busy, Deadline
from baremetal_sdk import Conductor
from baremetal_sdk.clock import SystemClock
from baremetal_sdk.config import ConductorConfig, JSONRPCConfig
from baremetal_sdk.errors import ConductorUnreachable, ConfigurationError, InternalError, MessageTooLarge, OutcomeUnknown
from baremetal_sdk.rpc import transports
from baremetal_sdk.rpc.client import RPCClient
from baremetal_sdk.rpc.json_rpc_server import JSONRPCServer
from baremetal_sdk.rpc.registry import collect_versions
from baremetal_sdk.services.catalogue import SERVICES
from baremetal_sdk.store.memory.store import MemoryStore
from baremetal_sdk.store.records.node import ConductorRecord
from metald.processes import Child
from tests.fixtures.authority import Authority
from tests.rpc import behaviour
from tests.rpc.certificate import write_loopback_certificate


class JSONRPCMode(behaviour.Mode):
    """A conductor that listens on a free port."""

    options = JSONRPCConfig(port=0)

    def config(self) -> ConductorConfig:
        """Listen on a free port."""
        return self.base(rpc_transport="json-rpc", json_rpc=self.options)

    @property
    def port(self) -> int:
        """Where it listens."""
        server: Any = self.conductor.rpc_server
        assert isinstance(server, JSONRPCServer)
        return server.port

    def connected(self, versions: dict[str, str], **options: Any) -> RPCClient:
        """A client that knows the port."""
        json_rpc = dataclasses.replace(self.options, port=self.port, **options)
        config = dataclasses.replace(self.conductor.config, json_rpc=json_rpc)
        conductor = self.conductor
        client = transports.create_client(config, conductor.store, conductor.clock, versions, telemetry=conductor.telemetry)
        self.addCleanup(client.close)
        return client


class TestJSONRPC(JSONRPCMode, behaviour.Behaviour):
    pass


class TestWire(JSONRPCMode):
    """What any client of JSON-RPC 2.0 sees."""

    def post(self, body: Any, **headers: str) -> tuple[int, Any]:
        """Send a body as it is, or a value as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=behaviour.PATIENCE)
        self.addCleanup(connection.close)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("POST", "/", data, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content else None

    def test_a_plain_client_can_call(self) -> None:
        """What the standard says is enough; the rest has defaults."""
        status, answer = self.post({"jsonrpc": "2.0", "method": "echo", "params": {"value": [1]}, "id": "a"})
        self.assertEqual((200, {"jsonrpc": "2.0", "id": "a", "result": [1]}), (status, answer))

    def test_a_batch_is_answered_call_by_call(self) -> None:
        """Errors of one leave the others alone; notifications have no answer."""
        call = {"jsonrpc": "2.0", "method": "echo", "params": {"value": 1}}
        _, answers = self.post([{**call, "id": 1}, call, {"jsonrpc": "2.0", "method": "nope", "id": 2}, 7, {**call, "id": 3}])
        self.assertEqual([1, 2, None, 3], [one["id"] for one in answers])
        self.assertEqual([None, -32601, -32600, None], [one.get("error", {}).get("code") for one in answers])
        self.assertEqual((204, None), self.post([call, call]))
        self.assertEqual((204, None), self.post(call))
        for batch in ([], [{**call, "id": 1}] * 101):
            self.assertEqual(-32600, self.post(batch)[1]["error"]["code"])

    def test_codes_are_those_of_the_standard_where_it_has_one(self) -> None:
        """Other errors have the status that the API gives them."""
        for message, code in (
            (b"{", -32700),
            (b"", -32700),
            ({"jsonrpc": "2.0", "method": "echo", "params": [1], "id": 1}, -32600),
            ({"jsonrpc": "2.0", "method": "echo", "params": {}, "id": 1}, -32602),
            ({"jsonrpc": "2.0", "method": "mistake", "id": 1}, -32603),
            ({"jsonrpc": "2.0", "method": "full", "id": 1}, 503),
            ({"jsonrpc": "2.0", "method": "echo", "params": {"value": {"$": "x"}}, "id": 1}, -32600),
        ):
            self.assertEqual(code, self.post(message)[1]["error"]["code"], message)

    def test_what_is_not_posted_as_json_is_refused(self) -> None:
        """A page in a browser on this machine cannot command machines."""
        call = {"jsonrpc": "2.0", "method": "echo", "params": {"value": 1}, "id": 1}
        self.assertEqual(415, self.post(call, **{"Content-Type": "text/plain"})[0])
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=behaviour.PATIENCE)
        self.addCleanup(connection.close)
        for method, path, status in (("GET", "/", 405), ("POST", "/x", 404)):
            connection.request(method, path, b"{}", {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            self.assertEqual(status, answer.status)
        self.assertEqual(0, self.probe.runs)

    def test_a_result_that_cannot_be_sent_is_said_to_be_one(self) -> None:
        """The caller learns that the method was run."""
        self.assertIn("it was run", self.assertRaises(InternalError, self.rpc.call, "not_for_the_wire").message)

    def test_messages_over_the_limit_are_refused_on_the_way_out_and_on_the_way_back(self) -> None:
        """Each side says what is too large, and goes on."""
        self.assertRaises(MessageTooLarge, self.rpc.call, "echo", value="x" * 17_000_000)
        self.assertEqual(0, self.probe.runs)
        self.assertRaises(MessageTooLarge, self.rpc.call, "grow", size=17_000_000)
        self.assertEqual(1, self.rpc.call("echo", value=1))

    def test_a_conductor_that_is_not_there_was_not_asked(self) -> None:
        """Nobody listens: the caller knows that nothing was run, and when to come back."""
        self.conductor.rpc_server.stop(Deadline.after(5.0))  # type: ignore[union-attr]
        error = self.assertRaises(ConductorUnreachable, self.rpc.call, "echo", value=1)
        self.assertEqual((503, 1.0), (error.code, error.retry_after))
        self.assertEqual(0, self.probe.runs)

    def test_no_living_conductor_is_said(self) -> None:
        """An API without conductors answers with what to do."""
        for one in self.conductor.store.conductors():
            self.conductor.store.unregister_conductor(one.hostname, one.incarnation)
        self.assertIn("no conductor is alive", str(self.assertRaises(ConductorUnreachable, self.rpc.call, "echo", value=1)))


class TestFull(JSONRPCMode):
    options = JSONRPCConfig(port=0, max_threads=1, call_queue_size=0)

    def test_a_conductor_with_no_thread_left_is_busy(self) -> None:
        """A call that finds no room is refused at once and not run, with when to come back."""
        outcome = self.in_thread(self.rpc.call, "wait")
        self.assertTrue(self.probe.entered.wait(behaviour.PATIENCE))
        error = self.assertRaises(Busy, self.rpc.call, "echo", value=1)
        self.assertEqual(503, error.code)
        self.assertIsNotNone(error.retry_after)
        self.assertEqual(0, self.probe.runs)
        self.probe.release.set()
        self.assertEqual("released", outcome.wait().result)


class TestListening(TestCase):
    def test_beyond_loopback_callers_have_to_be_known(self) -> None:
        """Who can call a conductor commands all machines: nobody does so unasked."""
        for address in ("0.0.0.0", "::", "127.0.0.1,192.0.2.1", "example.net"):
            config = ConductorConfig(rpc_transport="json-rpc", json_rpc=JSONRPCConfig(host_ip=address, port=0))
            conductor = Conductor(config)
            error = self.assertRaises(ConfigurationError, conductor.start)
            self.assertIn("[json_rpc] host_ip", error.message)
            self.assertFalse(conductor.ready)

    def test_a_port_that_is_taken_is_said_to_be_the_one_of_rpc(self) -> None:
        """The message names the section in which it is wrong."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            conductor = Conductor(ConductorConfig(rpc_transport="json-rpc", json_rpc=JSONRPCConfig(port=port)))
            error = self.assertRaises(ConfigurationError, conductor.start)
        self.assertIn("[json_rpc] host_ip, port", error.message)
        self.assertIn(str(port), error.message)

    def test_the_mode_in_one_process_reaches_no_other(self) -> None:
        """What is missing in the configuration is named."""
        store, clock = MemoryStore(SystemClock()), SystemClock()
        error = self.assertRaises(ConfigurationError, transports.create_client, ConductorConfig(), store, clock, {})
        self.assertIn("[DEFAULT] rpc_transport", error.message)


class TestCatalogue(JSONRPCMode):
    def test_a_process_without_a_conductor_knows_the_versions_of_all_methods(self) -> None:
        """What an API asks for is what a conductor of its release has."""
        versions = self.conductor.components.registry.versions()
        own = {name: version for name, version in versions.items() if not hasattr(self.probe, name)}
        self.assertEqual(own, collect_versions(*SERVICES), "name each service in baremetal_sdk/services/catalogue.py")


class TestBasicAuth(JSONRPCMode):
    def setUp(self) -> None:
        self.directory = Path(self.useFixture(TempDir()).path)
        users = self.directory / "htpasswd"
        users.write_bytes(b"api:" + bcrypt.hashpw(b"hunter2", bcrypt.gensalt(4)) + b"\n")
        users.chmod(0o600)
        self.options = JSONRPCConfig(port=0, auth_strategy="http_basic", http_basic_auth_user_file=str(users))
        super().setUp()

    def test_callers_are_known_by_name_and_password(self) -> None:
        """Who gives none, or a wrong one, runs nothing, and learns which options are wrong."""
        known = self.connected({}, username="api", password="hunter2")
        self.assertEqual(1, known.call("echo", value=1))
        for options in ({}, {"username": "api", "password": "hunter3"}, {"username": "root", "password": "hunter2"}):
            error = self.assertRaises(ConfigurationError, self.connected({}, **options).call, "echo", value=1)
            self.assertIn("[json_rpc] username, password", error.message)
            self.assertNotIn("hunter", error.message)
        self.assertEqual(1, self.probe.runs)


class TestTLS(JSONRPCMode):
    def setUp(self) -> None:
        directory = Path(self.useFixture(TempDir()).path)
        (directory / "server").mkdir()
        cert, key = write_loopback_certificate(directory / "server")
        authority = Authority("Our own")
        self.client_cert, self.client_key = authority.issue(directory, "ours", "api")
        self.server_cert = cert
        self.options = JSONRPCConfig(
            port=0,
            use_ssl=True,
            cert_file=cert,
            key_file=key,
            client_certificates="required",
            client_ca_file=authority.write(directory),
        )
        super().setUp()

    def connected(self, versions: dict[str, str], **options: Any) -> RPCClient:
        """Callers trust the certificate of the conductor."""
        return super().connected(versions, **{"ca_file": self.server_cert, **options})

    def test_both_sides_show_certificates(self) -> None:
        """Who has no certificate, or trusts another one, cannot call."""
        ours = {"client_cert_file": self.client_cert, "client_key_file": self.client_key}
        self.assertEqual(1, self.connected({}, **ours).call("echo", value=1))
        for options in ({}, {**ours, "ca_file": None}):
            self.assertRaises(BareMetalError, self.connected({}, **options).call, "echo", value=2)
        self.assertEqual(1, self.probe.runs)

    def test_a_reload_reads_the_certificate_again(self) -> None:
        """Callers that trust the new one alone are served; one that cannot be used is said, and changes nothing."""
        ours = {"client_cert_file": self.client_cert, "client_key_file": self.client_key}
        self.assertEqual(1, self.connected({}, **ours).call("echo", value=1))
        pair = [Path(self.options.cert_file or ""), Path(self.options.key_file or "")]
        other = Path(self.useFixture(TempDir()).path)
        for old, new in zip(pair, write_loopback_certificate(other), strict=True):
            old.write_bytes(Path(new).read_bytes())
        self.conductor.reload(self.conductor.config)
        self.assertEqual(2, self.connected({}, **ours).call("echo", value=2))
        log = self.useFixture(FakeLogger())
        pair[1].write_text("no key")
        self.conductor.reload(self.conductor.config)
        self.assertIn("[json_rpc] cert_file", log.output)
        self.assertEqual(3, self.connected({}, **ours).call("echo", value=3))

    def test_a_file_that_is_not_there_is_named(self) -> None:
        """The message names the options of the section."""
        error = self.assertRaises(ConfigurationError, self.connected, {}, ca_file="/nonexistent/ca.pem")
        self.assertIn("[json_rpc] ca_file", error.message)


class TestDeath(TestCase):
    def test_a_conductor_that_dies_in_the_middle_of_a_call_is_said_to_be_lost(self) -> None:
        """The caller is told at once that nobody knows whether the call was run; the next call knows that it was not."""
        directory = Path(self.useFixture(TempDir()).path)
        child = Child("conductor", [sys.executable, "-m", "tests.rpc.mortal"], directory)
        self.addCleanup(child.stop)
        port = int(child.wait_for_line("ready: ", 60.0))
        store, clock = MemoryStore(SystemClock()), SystemClock()
        store.register_conductor(ConductorRecord("127.0.0.1", "1"))
        config = ConductorConfig(rpc_transport="json-rpc", json_rpc=JSONRPCConfig(port=port))
        client = transports.create_client(config, store, clock, {})
        self.addCleanup(client.close)
        outcome = behaviour.Outcome(client.call, ("wait",), {})
        child.wait_for_line("entered", behaviour.PATIENCE)
        child.send(signal.SIGKILL)
        self.assertIsInstance(outcome.wait().error, OutcomeUnknown)
        child.wait(behaviour.PATIENCE)  # until then its port may take a connection, and end it
        self.assertRaises(ConductorUnreachable, client.call, "wait")
