"""Who may ask a Redfish service: sessions, passwords, TLS, addresses."""

from __future__ import annotations

import http.client
import ssl
import threading

from baremetal_fake import Account, Rack
from baremetal_fake.lab import ManualClock
from baremetal_fake.redfish import BMCOptions
from tests.plugins.fake.redfish_client import RedfishCase

SYSTEMS = "/redfish/v1/Systems"
SESSIONS = "/redfish/v1/SessionService/Sessions"
PROTECTED = BMCOptions(Account("admin", "secret"), session_timeout=60.0, session_limit=3)


class TestLogin(RedfishCase):
    """A BMC with an account lets in who has its credentials."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.redfish = self.service(2, options=PROTECTED, rack=Rack("redfish", clock=self.clock))

    def test_only_the_root_is_open(self) -> None:
        """Who has not logged in sees the root, in which the sessions are linked, and nothing else."""
        client = self.client(self.redfish)
        for path in ("/redfish", "/redfish/", "/redfish/v1", "/redfish/v1/", "/redfish/v1/odata"):
            self.assertEqual(200, client.get(path).status, path)
        self.assertEqual({"@odata.id": SESSIONS}, client.get("/redfish/v1/").body["Links"]["Sessions"])
        for path in (SYSTEMS, f"{SYSTEMS}/0", SESSIONS, "/redfish/v1/Managers/0/VirtualMedia/Cd"):
            reply = client.get(path)
            self.assertEqual((401, "NoValidSession"), (reply.status, reply.message_id), path)
        self.assertIn("Basic", client.get(SYSTEMS).headers["WWW-Authenticate"])

    def test_basic_authentication(self) -> None:
        """The right password is let in, a wrong one is not, and neither is nonsense."""
        self.assertEqual(200, self.client(self.redfish, basic=("admin", "secret")).get(SYSTEMS).status)
        self.assertEqual(401, self.client(self.redfish, basic=("admin", "wrong")).get(SYSTEMS).status)
        self.assertEqual(401, self.client(self.redfish, basic=("", "")).get(SYSTEMS).status)
        for header in ("Basic", "Basic !!!", "Basic /w==", "Bearer abc"):
            self.assertEqual(401, self.client(self.redfish).get(SYSTEMS, Authorization=header).status, header)

    def test_a_session_is_opened_used_seen_and_closed(self) -> None:
        """The token opens the door until the session is deleted."""
        client = self.client(self.redfish)
        opened = client.log_in()
        self.assertEqual(201, opened.status)
        self.assertEqual(200, client.get(SYSTEMS).status)
        self.assertEqual([{"@odata.id": opened.headers["Location"]}], client.get(SESSIONS).body["Members"])
        self.assertEqual("admin", client.get(opened.headers["Location"]).body["UserName"])
        self.assertEqual(1, self.redfish.totals()["open_sessions"])
        self.assertEqual(204, client("DELETE", opened.headers["Location"]).status)
        self.assertEqual(401, client.get(SYSTEMS).status)
        self.assertEqual((1, 0), (self.redfish.totals()["logins"], self.redfish.totals()["open_sessions"]))

    def test_a_wrong_password_opens_no_session(self) -> None:
        """A refused login is counted, and its password is not in the answer."""
        reply = self.client(self.redfish).log_in(password="wr0ng-pass")
        self.assertEqual((401, "NoValidSession"), (reply.status, reply.message_id))
        self.assertNotIn("wr0ng-pass", str(reply.body))
        self.assertEqual((0, 1), (self.redfish.totals()["logins"], self.redfish.totals()["refused_logins"]))

    def test_a_login_that_is_not_whole_says_what_is_missing(self) -> None:
        """Both properties are required, and are texts."""
        client = self.client(self.redfish)
        missing = client.post(SESSIONS, {"UserName": "admin"})
        self.assertEqual((400, "PropertyMissing"), (missing.status, missing.message_id))
        wrong = client.post(SESSIONS, {"UserName": "admin", "Password": 7})
        self.assertEqual((400, "PropertyValueTypeError"), (wrong.status, wrong.message_id))

    def test_an_unused_session_expires_and_a_used_one_does_not(self) -> None:
        """Each use starts the time anew."""
        client = self.client(self.redfish)
        client.log_in()
        for _ in range(3):
            self.clock.turn(59.0)
            self.assertEqual(200, client.get(SYSTEMS).status)
        self.clock.turn(61.0)
        reply = client.get(SYSTEMS)
        self.assertEqual((401, "NoValidSession"), (reply.status, reply.message_id))
        self.assertEqual(0, self.redfish.totals()["open_sessions"])

    def test_the_table_of_sessions_is_limited_and_expired_ones_make_room(self) -> None:
        """A BMC has few sessions: one too many is told to come later."""
        client = self.client(self.redfish)
        for _ in range(3):
            self.assertEqual(201, client.log_in().status)
        full = client.log_in()
        self.assertEqual((503, "SessionLimitExceeded"), (full.status, full.message_id))
        self.assertIsNotNone(full.headers["Retry-After"])
        self.clock.turn(61.0)
        self.assertEqual(201, client.log_in().status)

    def test_a_restart_of_the_bmc_ends_all_sessions(self) -> None:
        """Clients have to log in again; the machine does not notice."""
        client = self.client(self.redfish)
        client.log_in()
        client.reset(f"{SYSTEMS}/0", "On")
        self.assertEqual(204, client.post("/redfish/v1/Managers/0/Actions/Manager.Reset", {"ResetType": "ForceRestart"}).status)
        self.assertEqual(401, client.get(SYSTEMS).status)
        client.headers.clear()
        client.log_in()
        self.assertEqual("On", client.get(f"{SYSTEMS}/0").body["PowerState"])

    def test_a_client_may_set_how_long_sessions_live(self) -> None:
        """The timeout is a property of the service, within bounds."""
        client = self.client(self.redfish)
        client.log_in()
        self.assertEqual(204, client.patch("/redfish/v1/SessionService", {"SessionTimeout": 30}).status)
        self.assertEqual(30, client.get("/redfish/v1/SessionService").body["SessionTimeout"])
        self.assertEqual(400, client.patch("/redfish/v1/SessionService", {"SessionTimeout": 1}).status)

    def test_a_service_without_an_account_takes_everybody_but_no_made_up_token(self) -> None:
        """An open BMC still knows its sessions."""
        client = self.client(self.service(1))
        self.assertEqual(200, client.get(SYSTEMS).status)
        self.assertEqual(401, client.get(SYSTEMS, X_Auth_Token="made-up").status)
        self.assertEqual(201, client.log_in("anybody", "anything").status)


class TestTLS(RedfishCase):
    """HTTPS with a certificate that the service makes itself."""

    def test_a_client_that_trusts_the_certificate_is_served(self) -> None:
        """The certificate names the addresses, and is trusted where it is known."""
        redfish = self.service(1, tls=True)
        context = ssl.create_default_context(cafile=redfish.certificate)
        self.assertEqual(200, self.client(redfish, context=context).get(SYSTEMS).status)

    def test_a_client_that_does_not_trust_it_turns_away(self) -> None:
        """A self-signed certificate is not trusted by default."""
        redfish = self.service(1, tls=True)
        client = self.client(redfish, context=ssl.create_default_context())
        self.assertRaises(ssl.SSLCertVerificationError, client.get, SYSTEMS)

    def test_a_client_that_says_nothing_delays_nobody(self) -> None:
        """A handshake that does not come holds nothing up."""
        redfish = self.service(1, tls=True)
        silent = http.client.HTTPConnection("127.0.0.1", redfish.port, timeout=10.0)
        silent.connect()
        self.addCleanup(silent.close)
        context = ssl.create_default_context(cafile=redfish.certificate)
        self.assertEqual(200, self.client(redfish, context=context).get(SYSTEMS).status)


class TestAddresses(RedfishCase):
    """One address for all machines, or one for each."""

    def test_one_bmc_has_all_machines(self) -> None:
        """All systems are behind one address."""
        client = self.client(self.service(["a", "b"]))
        members = [member["@odata.id"] for member in client.get(SYSTEMS).body["Members"]]
        self.assertEqual([f"{SYSTEMS}/a", f"{SYSTEMS}/b"], members)

    def test_each_address_has_its_machine_alone(self) -> None:
        """With as many addresses as machines each has a BMC, with sessions and numbers of its own."""
        addresses = [f"127.77.3.{number}" for number in range(1, 21)]
        redfish = self.service(20, addresses=addresses)
        for index in range(20):
            client = self.client(redfish, index)
            self.assertEqual(200, client.get(redfish.system_path(index)).status)
            self.assertEqual(404, client.get(redfish.system_path((index + 1) % 20)).status)
            self.assertEqual(2, redfish.bmc(index).counters.requests)
        first, second = self.client(redfish, 0), self.client(redfish, 1)
        first.log_in()
        self.assertEqual(401, second.get(redfish.system_path(1), X_Auth_Token=first.headers["X-Auth-Token"]).status)

    def test_only_loopback_is_served(self) -> None:
        """A test service is not offered to a network."""
        for addresses in (["0.0.0.0"], ["192.0.2.1"], ["127.0.0.1", "127.0.0.2"]):
            self.assertRaises(ValueError, self.service, 3, addresses=addresses)
        for names in (["a", "a"], [], ["a/b"], [""]):
            self.assertRaises(ValueError, self.service, names)

    def test_a_port_that_is_taken_is_an_error_of_the_caller(self) -> None:
        """A service that cannot listen says so, and leaves nothing behind."""
        redfish = self.service(1)
        before = threading.active_count()
        self.assertRaises(OSError, self.service, 1, port=redfish.port)
        self.assertEqual(before, threading.active_count())

    def test_stopping_ends_connections_and_frees_the_port(self) -> None:
        """After stop nobody listens, and another service may."""
        redfish = self.service(1)
        client = self.client(redfish)
        client.get(SYSTEMS)
        redfish.stop()
        self.assertRaises((ConnectionError, http.client.HTTPException), client.get, SYSTEMS)
        again = self.service(1, port=redfish.port)
        self.assertEqual(200, self.client(again).get(SYSTEMS).status)
