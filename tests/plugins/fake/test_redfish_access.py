"""Access to a Redfish service: sessions, passwords, TLS and addresses."""

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
    """A BMC with an account accepts only its credentials."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.redfish = self.service(2, options=PROTECTED, rack=Rack("redfish", clock=self.clock))

    def test_only_the_root_needs_no_credentials(self) -> None:
        """Without credentials, a client sees the root with its link to the sessions, and nothing else."""
        client = self.client(self.redfish)
        for path in ("/redfish", "/redfish/", "/redfish/v1", "/redfish/v1/", "/redfish/v1/odata"):
            self.assertEqual(200, client.get(path).status, path)
        self.assertEqual({"@odata.id": SESSIONS}, client.get("/redfish/v1/").body["Links"]["Sessions"])
        for path in (SYSTEMS, f"{SYSTEMS}/0", SESSIONS, "/redfish/v1/Managers/0/VirtualMedia/Cd"):
            reply = client.get(path)
            self.assertEqual(401, reply.status, path)
            self.assertEqual("NoValidSession", reply.message_id, path)
        self.assertIn("Basic", client.get(SYSTEMS).headers["WWW-Authenticate"])

    def test_basic_authentication(self) -> None:
        """Basic authentication accepts the right password, and refuses a wrong one and invalid headers."""
        self.assertEqual(200, self.client(self.redfish, basic=("admin", "secret")).get(SYSTEMS).status)
        self.assertEqual(401, self.client(self.redfish, basic=("admin", "wrong")).get(SYSTEMS).status)
        self.assertEqual(401, self.client(self.redfish, basic=("", "")).get(SYSTEMS).status)
        for header in ("Basic", "Basic !!!", "Basic /w==", "Bearer abc"):
            self.assertEqual(401, self.client(self.redfish).get(SYSTEMS, Authorization=header).status, header)

    def test_a_session_is_opened_used_listed_and_closed(self) -> None:
        """The token authenticates requests until its session is deleted."""
        client = self.client(self.redfish)
        opened = client.log_in()
        self.assertEqual(201, opened.status)
        self.assertEqual(200, client.get(SYSTEMS).status)
        self.assertEqual([{"@odata.id": opened.headers["Location"]}], client.get(SESSIONS).body["Members"])
        self.assertEqual("admin", client.get(opened.headers["Location"]).body["UserName"])
        self.assertEqual(1, self.redfish.totals()["open_sessions"])
        self.assertEqual(204, client("DELETE", opened.headers["Location"]).status)
        self.assertEqual(401, client.get(SYSTEMS).status)
        self.assertEqual(1, self.redfish.totals()["logins"])
        self.assertEqual(0, self.redfish.totals()["open_sessions"])

    def test_a_wrong_password_opens_no_session(self) -> None:
        """A refused login is counted, and the answer does not contain the password."""
        reply = self.client(self.redfish).log_in(password="wr0ng-pass")
        self.assertEqual(401, reply.status)
        self.assertEqual("NoValidSession", reply.message_id)
        self.assertNotIn("wr0ng-pass", str(reply.body))
        self.assertEqual(0, self.redfish.totals()["logins"])
        self.assertEqual(1, self.redfish.totals()["refused_logins"])

    def test_an_incomplete_login_is_refused(self) -> None:
        """User name and password are required, and must be strings."""
        client = self.client(self.redfish)
        missing = client.post(SESSIONS, {"UserName": "admin"})
        self.assertEqual(400, missing.status)
        self.assertEqual("PropertyMissing", missing.message_id)
        wrong = client.post(SESSIONS, {"UserName": "admin", "Password": 7})
        self.assertEqual(400, wrong.status)
        self.assertEqual("PropertyValueTypeError", wrong.message_id)

    def test_an_unused_session_expires_and_a_used_one_does_not(self) -> None:
        """Each use of a session restarts its timeout."""
        client = self.client(self.redfish)
        client.log_in()
        for _ in range(3):
            self.clock.turn(59.0)
            self.assertEqual(200, client.get(SYSTEMS).status)
        self.clock.turn(61.0)
        reply = client.get(SYSTEMS)
        self.assertEqual(401, reply.status)
        self.assertEqual("NoValidSession", reply.message_id)
        self.assertEqual(0, self.redfish.totals()["open_sessions"])

    def test_sessions_are_limited_and_expired_ones_do_not_count(self) -> None:
        """A login above the limit of sessions gets 503, until a session has expired."""
        client = self.client(self.redfish)
        for _ in range(3):
            self.assertEqual(201, client.log_in().status)
        full = client.log_in()
        self.assertEqual(503, full.status)
        self.assertEqual("SessionLimitExceeded", full.message_id)
        self.assertIsNotNone(full.headers["Retry-After"])
        self.clock.turn(61.0)
        self.assertEqual(201, client.log_in().status)

    def test_a_restart_of_the_bmc_ends_all_sessions(self) -> None:
        """After a restart of the BMC, clients have to log in again, and the machine is unchanged."""
        client = self.client(self.redfish)
        client.log_in()
        client.reset(f"{SYSTEMS}/0", "On")
        self.assertEqual(204, client.post("/redfish/v1/Managers/0/Actions/Manager.Reset", {"ResetType": "ForceRestart"}).status)
        self.assertEqual(401, client.get(SYSTEMS).status)
        client.headers.clear()
        client.log_in()
        self.assertEqual("On", client.get(f"{SYSTEMS}/0").body["PowerState"])

    def test_a_client_can_set_the_session_timeout(self) -> None:
        """The session timeout is a property of the session service, within bounds."""
        client = self.client(self.redfish)
        client.log_in()
        self.assertEqual(204, client.patch("/redfish/v1/SessionService", {"SessionTimeout": 30}).status)
        self.assertEqual(30, client.get("/redfish/v1/SessionService").body["SessionTimeout"])
        self.assertEqual(400, client.patch("/redfish/v1/SessionService", {"SessionTimeout": 1}).status)

    def test_without_an_account_only_unknown_tokens_are_refused(self) -> None:
        """A service without an account accepts all requests and logins, but refuses an unknown token."""
        client = self.client(self.service(1))
        self.assertEqual(200, client.get(SYSTEMS).status)
        self.assertEqual(401, client.get(SYSTEMS, X_Auth_Token="made-up").status)
        self.assertEqual(201, client.log_in("anybody", "anything").status)


class TestTLS(RedfishCase):
    """HTTPS with a certificate that the service makes."""

    def test_a_client_that_trusts_the_certificate_is_served(self) -> None:
        """The certificate names the addresses of the service, and a client can trust its file."""
        redfish = self.service(1, tls=True)
        context = ssl.create_default_context(cafile=redfish.certificate)
        self.assertEqual(200, self.client(redfish, context=context).get(SYSTEMS).status)

    def test_a_client_without_the_certificate_refuses_the_service(self) -> None:
        """A self-signed certificate is not trusted by default."""
        redfish = self.service(1, tls=True)
        client = self.client(redfish, context=ssl.create_default_context())
        self.assertRaises(ssl.SSLCertVerificationError, client.get, SYSTEMS)

    def test_a_silent_client_does_not_delay_others(self) -> None:
        """A connection without a TLS handshake does not delay other clients."""
        redfish = self.service(1, tls=True)
        silent = http.client.HTTPConnection("127.0.0.1", redfish.port, timeout=10.0)
        silent.connect()
        self.addCleanup(silent.close)
        context = ssl.create_default_context(cafile=redfish.certificate)
        self.assertEqual(200, self.client(redfish, context=context).get(SYSTEMS).status)


class TestAddresses(RedfishCase):
    """One address for all machines, or one address for each machine."""

    def test_one_bmc_manages_all_machines(self) -> None:
        """With one address, one BMC has the systems of all machines."""
        client = self.client(self.service(["a", "b"]))
        members = [member["@odata.id"] for member in client.get(SYSTEMS).body["Members"]]
        self.assertEqual([f"{SYSTEMS}/a", f"{SYSTEMS}/b"], members)

    def test_each_address_has_only_its_own_machine(self) -> None:
        """With one address for each machine, each machine has its own BMC with its own sessions and counters."""
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

    def test_only_loopback_addresses_and_valid_names_are_accepted(self) -> None:
        """A service refuses addresses outside of loopback, and machine names that are not valid."""
        for addresses in (["0.0.0.0"], ["192.0.2.1"], ["127.0.0.1", "127.0.0.2"]):
            self.assertRaises(ValueError, self.service, 3, addresses=addresses)
        for names in (["a", "a"], [], ["a/b"], [""]):
            self.assertRaises(ValueError, self.service, names)

    def test_a_port_in_use_is_reported(self) -> None:
        """A service that cannot listen raises OSError and leaves no thread behind."""
        redfish = self.service(1)
        before = threading.active_count()
        self.assertRaises(OSError, self.service, 1, port=redfish.port)
        self.assertEqual(before, threading.active_count())

    def test_stopping_ends_connections_and_frees_the_port(self) -> None:
        """Stopping a service closes its connections and releases its port."""
        redfish = self.service(1)
        client = self.client(redfish)
        client.get(SYSTEMS)
        redfish.stop()
        self.assertRaises((ConnectionError, http.client.HTTPException), client.get, SYSTEMS)
        again = self.service(1, port=redfish.port)
        self.assertEqual(200, self.client(again).get(SYSTEMS).status)
