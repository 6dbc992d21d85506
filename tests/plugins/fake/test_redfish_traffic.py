"""What happens on the wire of a Redfish service: framing, delays, accidents, numbers."""

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
    """One connection, many requests, and no tolerance for what is ambiguous."""

    def setUp(self) -> None:
        super().setUp()
        self.redfish = self.service(1)

    def raw(self, sent: bytes, *more: bytes) -> bytes:
        """What comes back until the service closes the connection; *sent* may go out in pieces."""
        with socket.create_connection(("127.0.0.1", self.redfish.port), timeout=10.0) as peer:
            for piece in (sent, *more):
                peer.sendall(piece)
            return b"".join(iter(lambda: peer.recv(65536), b""))

    def test_requests_that_come_together_are_answered_in_order(self) -> None:
        """A client may send ahead of its answers."""
        last = b"GET /redfish/v1 HTTP/1.1\r\nConnection: close\r\n\r\n"
        answer = self.raw(GET * 3 + last)
        self.assertEqual(4, answer.count(b"HTTP/1.1 200 OK"))
        self.assertEqual(1, self.redfish.totals()["connections"])

    def test_a_request_may_come_byte_by_byte(self) -> None:
        """What is not whole yet is waited for."""
        body = b'{"IndicatorLED": "Lit"}'
        head = f"PATCH {SYSTEM} HTTP/1.1\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        pieces = [bytes([byte]) for byte in head + body]
        self.assertIn(b"204", self.raw(pieces[0], *pieces[1:]))

    def test_what_is_ambiguous_is_refused_and_the_connection_closed(self) -> None:
        """Nothing that could be read in two ways is read at all."""
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
            answer = self.raw(sent)
            self.assertEqual(b"HTTP/1.1 " + status, answer[:12], repr(sent[:60]))
            self.assertIn(b"@Message.ExtendedInfo", answer)

    def test_an_old_client_is_answered_and_let_go(self) -> None:
        """HTTP/1.0 closes unless it asks not to."""
        self.assertIn(b"Connection: close", self.raw(b"GET /redfish/v1 HTTP/1.0\r\n\r\n"))

    def test_a_silent_connection_is_closed_after_its_time(self) -> None:
        """BMCs drop idle connections: a client has to cope."""
        redfish = self.service(1, idle_timeout=0.05)
        with socket.create_connection(("127.0.0.1", redfish.port), timeout=10.0) as peer:
            self.assertEqual(b"", peer.recv(1))


class TestAccidents(RedfishCase):
    """Fault plans, as a client over HTTP meets them."""

    def struck(self, *faults: Fault) -> tuple[RedfishClient, Power]:
        redfish = self.service(1)
        redfish.inject(FaultPlan(faults))
        return self.client(redfish), redfish.machine().power

    def test_effects_that_are_answers(self) -> None:
        """Each has the status and the message that a BMC would send."""
        answers = {
            Effect.REFUSE: (500, "GeneralError"),
            Effect.AUTH: (401, "NoValidSession"),
            Effect.EXPIRE: (401, "NoValidSession"),
            Effect.BUSY: (503, "ServiceTemporarilyUnavailable"),
        }
        for effect, expected in answers.items():
            client, _ = self.struck(Fault("set_power", effect, times=1))
            reply = client.reset(SYSTEM, "On")
            self.assertEqual(expected, (reply.status, reply.message_id))
            self.assertEqual("Off", client.get(SYSTEM).body["PowerState"])
            self.assertEqual(204, client.reset(SYSTEM, "On").status)

    def test_a_refusal_may_have_a_status_and_a_message(self) -> None:
        """Real BMCs differ in what they say."""
        client, _ = self.struck(Fault("get_power", Effect.REFUSE, status=418, message="not now"))
        reply = client.get(SYSTEM)
        self.assertEqual((418, "not now"), (reply.status, reply.body["error"]["message"]))

    def test_a_lost_command_is_accepted_and_has_no_effect(self) -> None:
        """Every kind of command can be lost."""
        redfish = self.service(1)
        redfish.inject(FaultPlan((Fault("*", Effect.LOSE),)))
        client = self.client(redfish)
        self.assertEqual(204, client.reset(SYSTEM, "On").status)
        self.assertEqual(204, client.patch(SYSTEM, {"Boot": {"BootSourceOverrideTarget": "Cd"}}).status)
        self.assertEqual(204, client.patch(f"{SYSTEM}/SecureBoot", {"SecureBootEnable": True}).status)
        machine = redfish.machine()
        self.assertEqual((Power.OFF, (None, False), False), (machine.power, machine.boot_override, machine.secure_boot))

    def test_an_expired_session_needs_a_new_login(self) -> None:
        """The session that expires is gone, and a new one is let in."""
        client, _ = self.struck(Fault("get_power", Effect.EXPIRE, times=1))
        client.log_in()
        self.assertEqual([401, 401], [client.get(SYSTEM).status for _ in range(2)])
        client.headers.clear()
        client.log_in()
        self.assertEqual(200, client.get(SYSTEM).status)

    def test_an_answer_that_makes_no_sense_is_not_json(self) -> None:
        """A client has to survive a broken body."""
        client, _ = self.struck(Fault("get_power", Effect.WRONG))
        self.assertRaises(json.JSONDecodeError, client.get, SYSTEM)

    def test_a_dropped_connection_breaks_without_an_answer(self) -> None:
        """The command is not carried out; the next connection works."""
        client, _ = self.struck(Fault("set_power", Effect.DROP, times=1))
        self.assertRaises((ConnectionError, http.client.HTTPException), client.reset, SYSTEM, "On")
        client.close()
        self.assertEqual("Off", client.get(SYSTEM).body["PowerState"])

    def test_a_bmc_that_hangs_holds_up_its_client_alone(self) -> None:
        """One request never ends; other clients are served, and the service still stops at once."""
        redfish = self.service(2)
        redfish.inject(FaultPlan((Fault("get_power", Effect.HANG),)), "0")
        hanging = socket.create_connection(("127.0.0.1", redfish.port), timeout=10.0)
        self.addCleanup(hanging.close)
        hanging.sendall(GET)
        self.assertEqual(200, self.client(redfish).get("/redfish/v1/Systems/1").status)
        self.assertEqual(1, redfish.statistics.in_flight)
        redfish.stop()
        self.assertEqual(0, redfish.statistics.in_flight)

    def test_what_goes_on_for_a_client_ends_when_it_leaves(self) -> None:
        """A request whose client has gone is not in flight any more, and its command is not carried out."""
        redfish = self.service(1)
        redfish.inject(FaultPlan((Fault("set_power", Effect.HANG),)))
        client = self.client(redfish)
        client.connection.timeout = 0.05
        self.assertRaises(TimeoutError, client.reset, SYSTEM, "On")
        client.close()
        end = time.monotonic() + 10.0
        while redfish.totals()["in_flight"] and time.monotonic() < end:
            threading.Event().wait(0.01)
        self.assertEqual((0, 0), (redfish.totals()["in_flight"], redfish.totals()["open_connections"]))
        self.assertIs(Power.OFF, redfish.machine().power)

    def test_a_connection_may_be_refused_or_never_served(self) -> None:
        """The connection itself is an operation, of the first machine of the BMC."""
        client, _ = self.struck(Fault("connect", Effect.DROP, times=1), Fault("connect", Effect.HANG, nth=2, times=1))
        self.assertRaises((ConnectionError, http.client.HTTPException), client.get, SYSTEM)
        client.close()
        client.connection.timeout = 0.05
        self.assertRaises(TimeoutError, client.get, SYSTEM)
        client.close()
        client.connection.timeout = 10.0
        self.assertEqual(200, client.get(SYSTEM).status)

    def test_a_login_can_fail_by_plan(self) -> None:
        """What concerns no machine follows the plan of the first one."""
        client, _ = self.struck(Fault("login", Effect.AUTH, times=1))
        self.assertEqual([401, 201], [client.log_in().status for _ in range(2)])

    def test_latency_is_paid_by_every_request_and_by_each_alone(self) -> None:
        """Requests of several clients take their time beside each other."""
        redfish = self.service(8, latency=0.2)
        begun = time.monotonic()
        clients = [self.client(redfish) for _ in range(8)]
        threads = [threading.Thread(target=clients[n].get, args=(redfish.system_path(n),)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=10.0)
        self.assertGreaterEqual(time.monotonic() - begun, 0.2)
        self.assertEqual((8, 8), (redfish.totals()["requests"], redfish.totals()["in_flight_max"]))


class TestNumbers(RedfishCase):
    """A service tells how gentle its clients were."""

    def test_requests_are_counted_by_route_and_the_statistics_are_not(self) -> None:
        """Names of machines do not matter to the count; reset starts it anew."""
        redfish = self.service(3)
        client = self.client(redfish)
        for number in range(3):
            client.get(f"/redfish/v1/Systems/{number}")
        shown = client.get("/_statistics").body
        self.assertEqual({"GET /Systems/*": 3}, shown["by_route"])
        self.assertEqual((3, 1, 1), (shown["requests"], shown["connections"], shown["in_flight_max"]))
        self.assertEqual(204, client.post("/_statistics/reset").status)
        self.assertEqual(0, redfish.totals()["requests"])

    def test_connections_can_be_broken_and_sessions_forgotten(self) -> None:
        """A test can let a BMC restart."""
        redfish = self.service(1)
        client = self.client(redfish)
        client.log_in()
        redfish.end_sessions()
        self.assertEqual(401, client.get(SYSTEM).status)
        redfish.drop_connections()
        client.headers.clear()
        self.assertRaises((ConnectionError, http.client.HTTPException), client.get, SYSTEM)

    def test_commands_are_in_the_log_of_the_machine(self) -> None:
        """What came over HTTP is seen at the machine as what came in process."""
        redfish = self.service(1)
        self.client(redfish).reset(SYSTEM, "ForceRestart")
        (logged,) = redfish.machine().commands("set_power")
        self.assertEqual({"state": "rebooting", "reset_type": "ForceRestart"}, logged.arguments)
