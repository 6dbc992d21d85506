"""The HTTP traffic of a Redfish service: framing, delays, faults and statistics."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time

from baremetal_fake import Effect, Fault, FaultPlan, Power
from tests.plugins.fake.redfish_client import RedfishCase, RedfishClient

SYSTEM = "/redfish/v1/Systems/0"
GET = f"GET {SYSTEM} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


class TestFraming(RedfishCase):
    """Many requests on one connection, and refusal of ambiguous requests."""

    def setUp(self) -> None:
        super().setUp()
        self.redfish = self.service(1)

    def exchange(self, sent: bytes, *more: bytes) -> bytes:
        """Send all pieces, and return the bytes that arrive until the service closes the connection."""
        with socket.create_connection(("127.0.0.1", self.redfish.port), timeout=10.0) as peer:
            for piece in (sent, *more):
                peer.sendall(piece)
            return b"".join(iter(lambda: peer.recv(65536), b""))

    def test_pipelined_requests_are_answered_in_order(self) -> None:
        """A client may send requests before earlier answers arrive."""
        last = b"GET /redfish/v1 HTTP/1.1\r\nConnection: close\r\n\r\n"
        answer = self.exchange(GET * 3 + last)
        self.assertEqual(4, answer.count(b"HTTP/1.1 200 OK"))
        self.assertEqual(1, self.redfish.totals()["connections"])

    def test_a_request_may_arrive_byte_by_byte(self) -> None:
        """The service waits until a request is complete."""
        body = b'{"IndicatorLED": "Lit"}'
        head = f"PATCH {SYSTEM} HTTP/1.1\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        pieces = [bytes([byte]) for byte in head + body]
        self.assertIn(b"204", self.exchange(pieces[0], *pieces[1:]))

    def test_ambiguous_requests_are_refused_and_the_connection_closed(self) -> None:
        """An invalid or ambiguous request gets an error, and the service closes the connection."""
        line = f"PATCH {SYSTEM} HTTP/1.1\r\n".encode()
        cases = {
            b"hello\r\n\r\n": b"400",
            b"GET x HTTP/1.1\r\n\r\n": b"400",
            b"GET / HTTP/2.0\r\n\r\n": b"400",
            line + b"Content-Length : 2\r\n\r\n{}": b"400",
            line + b"Content-Length: +2\r\n\r\n{}": b"400",
            line + b"Content-Length: -1\r\n\r\n": b"400",
            line + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}": b"400",
            line + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n": b"411",
            line + b"Content-Length: 9999999\r\n\r\n": b"413",
            line + b"X: " + b"x" * 40000: b"431",
        }
        for sent, status in cases.items():
            answer = self.exchange(sent)
            self.assertEqual(b"HTTP/1.1 " + status, answer[:12], repr(sent[:60]))
            self.assertIn(b"@Message.ExtendedInfo", answer)

    def test_a_connection_of_http_1_0_is_closed(self) -> None:
        """The service closes a connection of HTTP/1.0 unless the client asks to keep it."""
        self.assertIn(b"Connection: close", self.exchange(b"GET /redfish/v1 HTTP/1.0\r\n\r\n"))

    def test_a_silent_connection_is_closed_after_the_idle_timeout(self) -> None:
        """The service closes an idle connection, as BMCs do."""
        redfish = self.service(1, idle_timeout=0.05)
        with socket.create_connection(("127.0.0.1", redfish.port), timeout=10.0) as peer:
            self.assertEqual(b"", peer.recv(1))


class TestFaults(RedfishCase):
    """Fault plans at an HTTP client."""

    def start_with_faults(self, *faults: Fault) -> tuple[RedfishClient, Power]:
        """Start a service with *faults*, and return a client and the power of its machine."""
        redfish = self.service(1)
        redfish.inject(FaultPlan(faults))
        return self.client(redfish), redfish.machine().power

    def test_effects_with_an_answer(self) -> None:
        """Each such effect has the status and the message that a BMC would send, and the command has no effect."""
        answers = {
            Effect.REFUSE: (500, "GeneralError"),
            Effect.AUTH: (401, "NoValidSession"),
            Effect.EXPIRE: (401, "NoValidSession"),
            Effect.BUSY: (503, "ServiceTemporarilyUnavailable"),
        }
        for effect, expected in answers.items():
            client, _ = self.start_with_faults(Fault("set_power", effect, times=1))
            reply = client.reset(SYSTEM, "On")
            self.assertEqual(expected, (reply.status, reply.message_id))
            self.assertEqual("Off", client.get(SYSTEM).body["PowerState"])
            self.assertEqual(204, client.reset(SYSTEM, "On").status)

    def test_a_refusal_may_have_a_status_and_a_message(self) -> None:
        """A fault plan can set the status and the message of a refusal."""
        client, _ = self.start_with_faults(Fault("get_power", Effect.REFUSE, status=418, message="not now"))
        reply = client.get(SYSTEM)
        self.assertEqual(418, reply.status)
        self.assertEqual("not now", reply.body["error"]["message"])

    def test_a_lost_command_is_accepted_and_has_no_effect(self) -> None:
        """Every kind of command can be lost."""
        redfish = self.service(1)
        redfish.inject(FaultPlan((Fault("*", Effect.LOSE),)))
        client = self.client(redfish)
        self.assertEqual(204, client.reset(SYSTEM, "On").status)
        self.assertEqual(204, client.patch(SYSTEM, {"Boot": {"BootSourceOverrideTarget": "Cd"}}).status)
        self.assertEqual(204, client.patch(f"{SYSTEM}/SecureBoot", {"SecureBootEnable": True}).status)
        machine = redfish.machine()
        self.assertEqual(Power.OFF, machine.power)
        self.assertEqual((None, False), machine.boot_override)
        self.assertIs(False, machine.secure_boot)

    def test_an_expired_session_needs_a_new_login(self) -> None:
        """A session that expires stays unknown, and a new login succeeds."""
        client, _ = self.start_with_faults(Fault("get_power", Effect.EXPIRE, times=1))
        client.log_in()
        self.assertEqual([401, 401], [client.get(SYSTEM).status for _ in range(2)])
        client.headers.clear()
        client.log_in()
        self.assertEqual(200, client.get(SYSTEM).status)

    def test_an_invalid_answer_is_not_json(self) -> None:
        """The effect "wrong" sends a body that is not valid JSON."""
        client, _ = self.start_with_faults(Fault("get_power", Effect.WRONG))
        self.assertRaises(json.JSONDecodeError, client.get, SYSTEM)

    def test_a_dropped_connection_breaks_without_an_answer(self) -> None:
        """The connection breaks, the command is not carried out, and the next connection works."""
        client, _ = self.start_with_faults(Fault("set_power", Effect.DROP, times=1))
        self.assertRaises((ConnectionError, http.client.HTTPException), client.reset, SYSTEM, "On")
        client.close()
        self.assertEqual("Off", client.get(SYSTEM).body["PowerState"])

    def test_a_hanging_request_delays_no_other_client(self) -> None:
        """A request that hangs does not delay other clients or the stop of the service."""
        redfish = self.service(2)
        redfish.inject(FaultPlan((Fault("get_power", Effect.HANG),)), "0")
        hanging = socket.create_connection(("127.0.0.1", redfish.port), timeout=10.0)
        self.addCleanup(hanging.close)
        hanging.sendall(GET)
        self.assertEqual(200, self.client(redfish).get("/redfish/v1/Systems/1").status)
        self.assertEqual(1, redfish.statistics.in_flight)
        redfish.stop()
        self.assertEqual(0, redfish.statistics.in_flight)

    def test_a_request_ends_when_its_client_leaves(self) -> None:
        """When the client has closed its connection, the request is not in flight and its command is not carried out."""
        redfish = self.service(1)
        redfish.inject(FaultPlan((Fault("set_power", Effect.HANG),)))
        client = self.client(redfish)
        client.connection.timeout = 0.05
        self.assertRaises(TimeoutError, client.reset, SYSTEM, "On")
        client.close()
        end = time.monotonic() + 10.0
        while redfish.totals()["in_flight"] and time.monotonic() < end:
            threading.Event().wait(0.01)
        self.assertEqual(0, redfish.totals()["in_flight"])
        self.assertEqual(0, redfish.totals()["open_connections"])
        self.assertIs(Power.OFF, redfish.machine().power)

    def test_a_connection_may_break_or_hang(self) -> None:
        """The connection itself is an operation of the BMC's first machine."""
        client, _ = self.start_with_faults(Fault("connect", Effect.DROP, times=1), Fault("connect", Effect.HANG, nth=2, times=1))
        self.assertRaises((ConnectionError, http.client.HTTPException), client.get, SYSTEM)
        client.close()
        client.connection.timeout = 0.05
        self.assertRaises(TimeoutError, client.get, SYSTEM)
        client.close()
        client.connection.timeout = 10.0
        self.assertEqual(200, client.get(SYSTEM).status)

    def test_a_login_can_fail_by_plan(self) -> None:
        """The plan of the first machine applies to logins."""
        client, _ = self.start_with_faults(Fault("login", Effect.AUTH, times=1))
        self.assertEqual([401, 201], [client.log_in().status for _ in range(2)])

    def test_latency_delays_each_request_separately(self) -> None:
        """Requests of several clients are delayed at the same time."""
        redfish = self.service(8, latency=0.2)
        begun = time.monotonic()
        clients = [self.client(redfish) for _ in range(8)]
        threads = [threading.Thread(target=clients[n].get, args=(redfish.system_path(n),)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=10.0)
        self.assertGreaterEqual(time.monotonic() - begun, 0.2)
        self.assertEqual(8, redfish.totals()["requests"])
        self.assertEqual(8, redfish.totals()["in_flight_max"])


class TestStatistics(RedfishCase):
    """The statistics of a service show the load that clients cause."""

    def test_requests_are_counted_by_route_and_the_statistics_are_not(self) -> None:
        """Requests are counted by route without names, and requests for the statistics are not counted."""
        redfish = self.service(3)
        client = self.client(redfish)
        for number in range(3):
            client.get(f"/redfish/v1/Systems/{number}")
        shown = client.get("/_statistics").body
        self.assertEqual({"GET /Systems/*": 3}, shown["by_route"])
        self.assertEqual(3, shown["requests"])
        self.assertEqual(1, shown["connections"])
        self.assertEqual(1, shown["in_flight_max"])
        self.assertEqual(204, client.post("/_statistics/reset").status)
        self.assertEqual(0, redfish.totals()["requests"])

    def test_connections_can_be_broken_and_sessions_ended(self) -> None:
        """A test can break all connections and end all sessions, as a restart of the BMC does."""
        redfish = self.service(1)
        client = self.client(redfish)
        client.log_in()
        redfish.end_sessions()
        self.assertEqual(401, client.get(SYSTEM).status)
        redfish.drop_connections()
        client.headers.clear()
        self.assertRaises((ConnectionError, http.client.HTTPException), client.get, SYSTEM)

    def test_commands_are_in_the_log_of_the_machine(self) -> None:
        """Commands over HTTP are in the machine's log."""
        redfish = self.service(1)
        self.client(redfish).reset(SYSTEM, "ForceRestart")
        (logged,) = redfish.machine().commands("set_power")
        self.assertEqual({"state": "rebooting", "reset_type": "ForceRestart"}, logged.arguments)
