"""Behavior of RPC over JSON-RPC, and the properties of that transport."""

from __future__ import annotations

import dataclasses
import functools
import http.client
import json
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import bcrypt
from fixtures import FakeLogger, TempDir
from testtools import ExpectedException, TestCase

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
from tests.fixtures.certificates import Authority
from tests.rpc import behavior
from tests.rpc.certificate import write_loopback_certificate


class JSONRPCCase(behavior.TransportCase):
    """Base of tests with a conductor on a free port."""

    options = JSONRPCConfig(port=0)

    def config(self) -> ConductorConfig:
        """Listen on a free port."""
        return self.create_base_config(rpc_transport="json-rpc", json_rpc=self.options)

    @property
    def port(self) -> int:
        """Port of the conductor."""
        server: Any = self.conductor.rpc_server
        assert isinstance(server, JSONRPCServer)
        return server.port

    def create_client(self, versions: dict[str, str], **options: Any) -> RPCClient:
        """Return a client for the port of the conductor."""
        json_rpc = dataclasses.replace(self.options, port=self.port, **options)
        config = dataclasses.replace(self.conductor.config, json_rpc=json_rpc)
        conductor = self.conductor
        client = transports.create_client(config, conductor.store, conductor.clock, versions, telemetry=conductor.telemetry)
        self.addCleanup(client.close)
        return client


class TestJSONRPC(JSONRPCCase, behavior.Behavior):
    pass


class TestWire(JSONRPCCase):
    """Test the messages, as any client of JSON-RPC 2.0 sees them."""

    def post(self, body: Any, **headers: str) -> tuple[int, Any]:
        """Post bytes unchanged, or another value as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=behavior.TIMEOUT_S)
        self.addCleanup(connection.close)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("POST", "/", data, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content else None

    def test_a_plain_client_can_call(self) -> None:
        """A request with only the members of the standard is answered."""
        status, answer = self.post({"jsonrpc": "2.0", "method": "echo", "params": {"value": [1]}, "id": "a"})
        self.assertEqual((200, {"jsonrpc": "2.0", "id": "a", "result": [1]}), (status, answer))

    def test_the_calls_of_a_batch_are_independent(self) -> None:
        """A failed call of a batch does not affect the others, and notifications get no response."""
        call = {"jsonrpc": "2.0", "method": "echo", "params": {"value": 1}}
        _, answers = self.post([{**call, "id": 1}, call, {"jsonrpc": "2.0", "method": "nope", "id": 2}, 7, {**call, "id": 3}])
        self.assertEqual([1, 2, None, 3], [answer["id"] for answer in answers])
        self.assertEqual([None, -32601, -32600, None], [answer.get("error", {}).get("code") for answer in answers])
        self.assertEqual((204, None), self.post([call, call]))
        self.assertEqual((204, None), self.post(call))
        for batch in ([], [{**call, "id": 1}] * 101):
            self.assertEqual(-32600, self.post(batch)[1]["error"]["code"])

    def test_error_codes_are_those_of_the_standard(self) -> None:
        """Errors without a code in the standard have their HTTP status as code."""
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

    def test_requests_other_than_json_posts_are_rejected(self) -> None:
        """A web page in a browser on this machine cannot call methods."""
        call = {"jsonrpc": "2.0", "method": "echo", "params": {"value": 1}, "id": 1}
        self.assertEqual(415, self.post(call, **{"Content-Type": "text/plain"})[0])
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=behavior.TIMEOUT_S)
        self.addCleanup(connection.close)
        for method, path, status in (("GET", "/", 405), ("POST", "/x", 404)):
            connection.request(method, path, b"{}", {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            self.assertEqual(status, answer.status)
        self.assertEqual(0, self.probe.runs)

    def test_a_result_without_an_encoding_is_reported(self) -> None:
        """The error says that the method was executed, and only its result cannot be sent."""
        self.assertIn("was executed", self.assertRaises(InternalError, self.rpc.call, "not_for_the_wire").message)

    def test_large_requests_and_responses_are_rejected(self) -> None:
        """A request above the limit is not sent, and a response above the limit becomes an error."""
        size = self.conductor.config.rpc_max_message_size
        with ExpectedException(MessageTooLarge):
            self.rpc.call("echo", value="x" * size)
        self.assertEqual(0, self.probe.runs)
        with ExpectedException(MessageTooLarge):
            self.rpc.call("grow", size=size)
        self.assertEqual(1, self.rpc.call("echo", value=1))

    def test_a_stopped_conductor_is_unreachable(self) -> None:
        """If no process listens, the caller learns that nothing was executed, and when to retry."""
        self.conductor.rpc_server.stop(Deadline.after(5.0))  # type: ignore[union-attr]
        error = self.assertRaises(ConductorUnreachable, self.rpc.call, "echo", value=1)
        self.assertEqual(503, error.code)
        self.assertEqual(1.0, error.retry_after)
        self.assertEqual(0, self.probe.runs)

    def test_no_live_conductor_is_reported(self) -> None:
        """Without a live conductor, the error says what to do."""
        for record in self.conductor.store.conductors():
            self.conductor.store.unregister_conductor(record.hostname, record.incarnation)
        self.assertIn("no conductor is alive", str(self.assertRaises(ConductorUnreachable, self.rpc.call, "echo", value=1)))


class TestFull(JSONRPCCase):
    options = JSONRPCConfig(port=0, max_threads=1, call_queue_size=0)

    def test_a_conductor_with_no_thread_left_is_busy(self) -> None:
        """A call beyond the limit fails at once as busy, with a retry time, and is not run."""
        call = self.call_in_thread(self.rpc.call, "wait")
        self.assertTrue(self.probe.entered.wait(behavior.TIMEOUT_S))
        error = self.assertRaises(Busy, self.rpc.call, "echo", value=1)
        self.assertEqual(503, error.code)
        self.assertIsNotNone(error.retry_after)
        self.assertEqual(0, self.probe.runs)
        self.probe.release.set()
        self.assertEqual("released", call.wait().result)


class TestListening(TestCase):
    def test_public_addresses_require_authentication(self) -> None:
        """A conductor without authentication does not listen on addresses other than loopback."""
        for address in ("0.0.0.0", "::", "127.0.0.1,192.0.2.1", "example.net"):
            config = ConductorConfig(rpc_transport="json-rpc", json_rpc=JSONRPCConfig(host_ip=address, port=0))
            conductor = Conductor(config)
            error = self.assertRaises(ConfigurationError, conductor.start)
            self.assertIn("[json_rpc] host_ip", error.message)
            self.assertFalse(conductor.ready)

    def test_a_used_port_is_reported_with_its_section(self) -> None:
        """The error names the section [json_rpc] and the port."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            conductor = Conductor(ConductorConfig(rpc_transport="json-rpc", json_rpc=JSONRPCConfig(port=port)))
            error = self.assertRaises(ConfigurationError, conductor.start)
        self.assertIn("[json_rpc] host_ip, port", error.message)
        self.assertIn(str(port), error.message)

    def test_the_transport_none_has_no_remote_client(self) -> None:
        """The error names the option to set."""
        store, clock = MemoryStore(SystemClock()), SystemClock()
        error = self.assertRaises(ConfigurationError, transports.create_client, ConductorConfig(), store, clock, {})
        self.assertIn("[DEFAULT] rpc_transport", error.message)


class TestCatalogue(JSONRPCCase):
    def test_a_process_without_a_conductor_knows_the_versions_of_all_methods(self) -> None:
        """The versions that an API needs are those of a conductor of the same release."""
        versions = self.conductor.components.registry.versions()
        own = {name: version for name, version in versions.items() if not hasattr(self.probe, name)}
        self.assertEqual(own, collect_versions(*SERVICES), "name each service in baremetal_sdk/services/catalogue.py")


class TestBasicAuth(JSONRPCCase):
    def setUp(self) -> None:
        self.directory = Path(self.useFixture(TempDir()).path)
        users = self.directory / "htpasswd"
        users.write_bytes(b"api:" + bcrypt.hashpw(b"hunter2", bcrypt.gensalt(4)) + b"\n")
        users.chmod(0o600)
        self.options = JSONRPCConfig(
            port=0,
            auth_strategy="http_basic",
            http_basic_auth_user_file=str(users),
            username="api",
            password="hunter2",
        )
        super().setUp()

    def test_callers_authenticate_with_name_and_password(self) -> None:
        """A caller with wrong credentials runs nothing, and the error names the options to correct."""
        known = self.create_client({}, username="api", password="hunter2")
        self.assertEqual(1, known.call("echo", value=1))
        for username, password in (("api", "hunter3"), ("root", "hunter2")):
            client = self.create_client({}, username=username, password=password)
            error = self.assertRaises(ConfigurationError, client.call, "echo", value=1)
            self.assertIn("[json_rpc] username, password", error.message)
            self.assertNotIn("hunter", error.message)
        self.assertEqual(1, self.probe.runs)

    def test_a_caller_without_credentials_does_not_start(self) -> None:
        """A caller whose conductors require credentials names the missing options at its start."""
        error = self.assertRaises(ConfigurationError, self.create_client, {}, username=None, password=None)
        self.assertIn("[json_rpc] username, password: not set", error.message)


class TestTLS(JSONRPCCase):
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

    def create_client(self, versions: dict[str, str], **options: Any) -> RPCClient:
        """Return a client that trusts the certificate of the conductor."""
        return super().create_client(versions, **{"ca_file": self.server_cert, **options})

    def test_both_sides_verify_certificates(self) -> None:
        """A caller without a certificate, or without trust in the conductor's, cannot call."""
        ours = {"client_cert_file": self.client_cert, "client_key_file": self.client_key}
        self.assertEqual(1, self.create_client({}, **ours).call("echo", value=1))
        for options in ({}, {**ours, "ca_file": None}):
            self.assertRaises(BareMetalError, self.create_client({}, **options).call, "echo", value=2)
        self.assertEqual(1, self.probe.runs)

    def test_a_reload_reads_the_certificate_again(self) -> None:
        """A reload uses the new certificate. An invalid one is logged, and the previous one stays in use."""
        ours = {"client_cert_file": self.client_cert, "client_key_file": self.client_key}
        self.assertEqual(1, self.create_client({}, **ours).call("echo", value=1))
        pair = [Path(self.options.cert_file or ""), Path(self.options.key_file or "")]
        other = Path(self.useFixture(TempDir()).path)
        for old, new in zip(pair, write_loopback_certificate(other), strict=True):
            old.write_bytes(Path(new).read_bytes())
        self.conductor.reload(self.conductor.config)
        self.assertEqual(2, self.create_client({}, **ours).call("echo", value=2))
        log = self.useFixture(FakeLogger())
        pair[1].write_text("no key")
        self.conductor.reload(self.conductor.config)
        self.assertIn("[json_rpc] cert_file", log.output)
        self.assertEqual(3, self.create_client({}, **ours).call("echo", value=3))

    def test_a_missing_file_is_reported(self) -> None:
        """The error names the option with the missing file."""
        error = self.assertRaises(ConfigurationError, self.create_client, {}, ca_file="/nonexistent/ca.pem")
        self.assertIn("[json_rpc] ca_file", error.message)


class TestDeath(TestCase):
    def test_the_death_of_a_conductor_during_a_call_is_reported(self) -> None:
        """The call fails at once with an unknown outcome. The next call fails as not executed."""
        directory = Path(self.useFixture(TempDir()).path)
        child = Child("conductor", [sys.executable, "-m", "tests.rpc.killable_conductor"], directory)
        self.addCleanup(child.stop)
        port = int(child.wait_for_line("ready: ", 60.0))
        store, clock = MemoryStore(SystemClock()), SystemClock()
        store.register_conductor(ConductorRecord("127.0.0.1", "1"))
        config = ConductorConfig(rpc_transport="json-rpc", json_rpc=JSONRPCConfig(port=port))
        client = transports.create_client(config, store, clock, {})
        self.addCleanup(client.close)
        call = behavior.BackgroundCall(client.call, ("wait",), {})
        child.wait_for_line("entered", behavior.TIMEOUT_S)
        child.send(signal.SIGKILL)
        self.assertIsInstance(call.wait().error, OutcomeUnknown)
        child.wait(behavior.TIMEOUT_S)  # until then, its port may accept a connection and reset it
        self.assertRaises(ConductorUnreachable, client.call, "wait")


class TestDefaultAuthentication(TestCase):
    """Without an own option, JSON-RPC authenticates its callers as the API does, on loopback, too."""

    def setUp(self) -> None:
        super().setUp()
        self.users = Path(self.useFixture(TempDir()).path) / "users"
        self.users.write_bytes(b"api:" + bcrypt.hashpw(b"secret", bcrypt.gensalt(4)) + b"\n")

    def config(self, **options: Any) -> ConductorConfig:
        """Return a configuration with HTTP basic authentication of the API."""
        json_rpc = JSONRPCConfig(port=0, http_basic_auth_user_file=str(self.users), **options)
        return ConductorConfig(rpc_transport="json-rpc", auth_strategy="http_basic", json_rpc=json_rpc)

    def test_callers_need_the_credentials(self) -> None:
        """A caller without credentials is refused by the conductor."""
        with Conductor(self.config(), store=MemoryStore()) as conductor:
            server: Any = conductor.rpc_server
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
            self.addCleanup(connection.close)
            connection.request("POST", "/", b"{}", {"Content-Type": "application/json"})
            self.assertEqual(401, connection.getresponse().status)

    def test_missing_credentials_are_named_at_the_start(self) -> None:
        """The conductor names its file of users, and the API its user name."""
        versions = collect_versions(*SERVICES)
        create = functools.partial(transports.create_client, self.config(), MemoryStore(), SystemClock(), versions)
        self.assertIn("[json_rpc] username", str(self.assertRaises(ConfigurationError, create)))
        transports.create_client(self.config(username="api", password="secret"), MemoryStore(), SystemClock(), versions).close()
        self.users.unlink()
        conductor = Conductor(self.config(), store=MemoryStore())
        self.assertIn("[json_rpc] auth_strategy", str(self.assertRaises(ConfigurationError, conductor.start)))

    def test_own_option_takes_precedence(self) -> None:
        """``[json_rpc] auth_strategy = noauth`` needs no credentials."""
        with Conductor(self.config(auth_strategy="noauth"), store=MemoryStore()) as conductor:
            self.assertTrue(conductor.ready)
