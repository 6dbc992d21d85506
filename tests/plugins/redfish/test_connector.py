from __future__ import annotations

import errno
import socket
import time
from typing import Any

import fixtures
from sushy.exceptions import AccessError
from testtools import TestCase

from baremetal_fake.bmc_account import Account
from baremetal_fake.faults import FaultPlan
from baremetal_fake.redfish import BMCOptions, RedfishService
from baremetal_fake.redfish.certificate import make_certificate
from baremetal_interfaces import AuthenticationFailed, BMCBusy, BMCUnreachable, Deadline, Fault, PowerState, UnexpectedAnswer
from baremetal_interfaces.connector import TLSOptions
from baremetal_interfaces.http import socket as http_socket
from baremetal_interfaces.http import tls_context
from baremetal_interfaces.local import LocalTask
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.power import RedfishPower
from baremetal_redfish.session import RedfishSession
from tests.fixtures.raw_server import RawServer
from tests.fixtures.redfish_emulator import build_task

PASSWORD = "p/ss w:rd"


class ExhaustedSockets:
    """The module ``socket`` of a process that cannot open another socket."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __getattr__(self, name: str) -> Any:
        return getattr(socket, name)

    def socket(self, *args: Any) -> socket.socket:
        raise OSError(self.number, "no socket")


class ServiceTestCase(TestCase):
    """Test case with a Redfish service that has sessions and an account, and counts its requests."""

    def serve(self, machines: int = 1, **options: Any) -> RedfishService:
        bmc = BMCOptions(Account("root", PASSWORD), strict_power=options.pop("strict_power", False), **options.pop("bmc", {}))
        service = RedfishService(machines, options=bmc, **options)
        service.start()
        self.addCleanup(service.stop)
        return service

    def raw(self, service: RedfishService, **more: Any) -> dict[str, Any]:
        account = {"redfish_username": "root", "redfish_password": PASSWORD}
        return {"redfish_address": service.url, "redfish_system_id": service.system_path(0), **account, **more}

    def open(self, service: RedfishService, **more: Any) -> RedfishSession:
        session = RedfishConnector().open(RedfishInfo.parse(self.raw(service, **more)), None, Deadline.after(20))
        self.addCleanup(session.http.close)
        return session

    def task(self, service: RedfishService, **more: Any) -> LocalTask:
        raw = self.raw(service, **more)
        return build_task(raw.pop("redfish_address"), **raw)


class TestSessions(ServiceTestCase):
    def test_one_login_and_one_logout(self) -> None:
        """A session is one login and one logout over one connection, whatever the number of requests in between."""
        service = self.serve()
        connector = RedfishConnector()
        session = connector.open(RedfishInfo.parse(self.raw(service)), None, Deadline.after(20))
        power = RedfishPower()
        for _ in range(5):
            self.assertEqual(PowerState.OFF, power.sample_power(session, service.system_path(0), Deadline.after(10.0)))
        self.assertEqual(1, service.totals()["open_sessions"])
        connector.close(session, Deadline.after(20))
        totals = service.totals()
        self.assertEqual(1, totals["logins"])
        self.assertEqual(0, totals["open_sessions"])
        self.assertEqual(1, totals["connections"])
        self.assertEqual(
            {
                "GET /": 1,
                "POST /SessionService/Sessions": 1,
                "GET /Systems/*": 5,
                "DELETE /SessionService/Sessions/*": 1,
            },
            totals["by_route"],
        )

    def test_only_system_is_found_once(self) -> None:
        """A session looks up the only system of a BMC once; each later sample of its power is one request."""
        service = self.serve()
        session = self.open(service, redfish_system_id=None)
        power = RedfishPower()
        self.assertIsNone(power.sample_power(session, None, Deadline.after(10.0)))
        session.read_document(None)
        before = service.totals()["requests"]
        self.assertEqual(PowerState.OFF, power.sample_power(session, None, Deadline.after(10.0)))
        self.assertEqual(before + 1, service.totals()["requests"])

    def test_wrong_password_is_tried_once(self) -> None:
        """Wrong credentials are sent once, by one kind of login, so that the account is not locked."""
        for kind in ("auto", "session"):
            service = self.serve()
            failure = self.assertRaises(
                AuthenticationFailed,
                self.task(service, redfish_password="wr0ng", redfish_auth_type=kind).call,
                "power",
                "get_power_state",
            )
            self.assertNotIn("wr0ng", str(failure))
            self.assertEqual(1, service.totals()["refused_logins"])

    def test_basic_authentication_creates_no_session(self) -> None:
        """With ``basic`` no session is created."""
        service = self.serve()
        self.assertEqual(PowerState.OFF, self.task(service, redfish_auth_type="basic").call("power", "get_power_state"))
        self.assertNotIn("POST /SessionService/Sessions", service.totals()["by_route"])

    def test_exhausted_sessions(self) -> None:
        """If the service can create no more sessions, ``auto`` uses basic authentication and ``session`` reports a busy BMC."""
        service = self.serve(bmc={"session_limit": 1})
        self.open(service)
        self.assertEqual(PowerState.OFF, self.task(service).call("power", "get_power_state"))
        task = self.task(service, redfish_auth_type="session")
        self.assertRaises(BMCBusy, task.call, "power", "get_power_state")

    def test_expired_session(self) -> None:
        """A session that the service has ended is not mistaken for wrong credentials, and can still be closed."""
        service = self.serve()
        session = self.open(service)
        service.end_sessions()
        failure = self.assertRaises(AccessError, session.read_document, service.system_path(0))
        self.assertEqual(Fault.EXPIRED, RedfishConnector().classify(failure))
        RedfishConnector().close(session, Deadline.after(20))

    def test_closed_session_is_expired_for_its_other_users(self) -> None:
        """The other users of a closed session receive the fault EXPIRED, which leads to a new login and not to a dead BMC."""
        service = self.serve()
        session = self.open(service)
        RedfishConnector().close(session, Deadline.after(10.0))
        for read in (session.read_document, lambda path: session.read_system_once(path, Deadline.after(10.0))):
            failure = self.assertRaises(AccessError, read, service.system_path(0))
            self.assertEqual(Fault.EXPIRED, RedfishConnector().classify(failure))

    def test_wrong_account_by_basic_authentication(self) -> None:
        """The login itself detects a wrong account by one request that requires authentication."""
        service = self.serve()
        failure = self.assertRaises(AccessError, self.open, service, redfish_auth_type="basic", redfish_password="wr0ng")
        self.assertEqual(Fault.AUTH, RedfishConnector().classify(failure))
        self.assertEqual(1, service.totals()["refused_logins"])

    def test_changed_password_is_sent_once_by_basic_authentication(self) -> None:
        """After the first refusal, users of the session learn that it is over and do not send the old password again."""
        for lean in (True, False):
            service = self.serve()
            session = self.open(service, redfish_auth_type="basic")
            service.set_account(Account("root", "changed"))
            path, deadline = service.system_path(0), Deadline.after(10.0)

            def read(session: Any = session, path: str = path, deadline: Deadline = deadline, lean: bool = lean) -> Any:
                return session.read_system_once(path, deadline) if lean else session.read_document(path)

            faults = [RedfishConnector().classify(self.assertRaises(AccessError, read)) for _ in range(3)]
            self.assertEqual([Fault.AUTH, Fault.EXPIRED, Fault.EXPIRED], faults)
            self.assertEqual(1, service.totals()["refused_logins"])

    def test_broken_connections_are_replaced(self) -> None:
        """A connection that the BMC closed while idle is replaced, and the session continues."""
        service = self.serve()
        session = self.open(service)
        service.drop_connections()
        self.assertEqual(PowerState.OFF, RedfishPower().sample_power(session, service.system_path(0), Deadline.after(10.0)))
        self.assertEqual(2, service.totals()["connections"])
        self.assertEqual(1, service.totals()["logins"])

    def test_only_a_missing_connection_is_the_fault_of_the_address(self) -> None:
        """A server that accepts connections and is silent, or closes them, may do so because of the options of one node."""

        def close(client: socket.socket) -> None:
            client.recv(1)

        def keep(client: socket.socket) -> None:
            client.recv(1)
            server.released.wait(20.0)

        for script, scheme in ((close, "http"), (keep, "http"), (close, "https"), (keep, "https")):
            with RawServer(script) as server:
                self.assertEqual(Fault.UNANSWERED, self.find_fault(f"{scheme}://127.0.0.1:{server.port}"), (script, scheme))
        self.assertEqual(Fault.UNREACHABLE, self.find_fault(f"http://127.0.0.1:{server.port}"))
        self.assertEqual(Fault.UNRESOLVED, self.find_fault("http://no-such-host.invalid"))

    def test_a_failure_of_this_host_is_not_the_fault_of_the_bmc(self) -> None:
        """A connection that could not be opened for lack of files or ports says nothing about the BMC."""
        service = self.serve()
        for number in (errno.EMFILE, errno.EADDRNOTAVAIL):
            self.patch(http_socket, "socket", ExhaustedSockets(number))
            self.assertEqual(Fault.OTHER, self.find_fault(service.url))

    def find_fault(self, address: str) -> Fault:
        info = RedfishInfo(redfish_address=address, redfish_username="root", redfish_password="x", redfish_verify_ca="false")
        tls = tls_context(TLSOptions(verify=False)) if address.startswith("https") else None
        connector = RedfishConnector()
        try:
            connector.open(info, tls, Deadline.after(0.5))
        except Exception as exc:
            return connector.classify(exc)
        raise AssertionError(f"{address} answered")

    def test_session_hides_its_secrets(self) -> None:
        """The text of a session contains neither the password nor the token."""
        session = self.open(self.serve())
        token = session.http.headers["X-Auth-Token"]
        shown = f"{session!r} {session.http!r} {session.transport!r}"
        self.assertNotIn(token, shown)
        self.assertNotIn(PASSWORD, shown)


class TestTrust(ServiceTestCase):
    def test_certificate_of_a_named_authority(self) -> None:
        """The file in redfish_verify_ca makes a certificate trusted."""
        service = self.serve(tls=True)
        task = self.task(service, redfish_verify_ca=service.certificate)
        self.assertEqual(PowerState.OFF, task.call("power", "get_power_state"))

    def test_untrusted_certificate(self) -> None:
        """An untrusted certificate is not a failure of the credentials: no request is sent, and the error names the option."""
        service = self.serve(tls=True)
        failure = self.assertRaises(UnexpectedAnswer, self.task(service).call, "power", "get_power_state")
        self.assertIn("certificate is not trusted", str(failure))
        self.assertIn("set redfish_verify_ca", str(failure))
        self.assertEqual(0, service.totals()["requests"])

    def test_expired_certificate(self) -> None:
        """The error names the expiry of a certificate whose authority is trusted."""
        made = make_certificate(self.useFixture(fixtures.TempDir()).path, ["127.0.0.1"], days=-1.0)
        task = self.task(self.serve(tls=made), redfish_verify_ca=made.path)
        failure = self.assertRaises(UnexpectedAnswer, task.call, "power", "get_power_state")
        self.assertIn("expired", str(failure))

    def test_certificate_without_verification(self) -> None:
        """With redfish_verify_ca false every certificate is accepted."""
        task = self.task(self.serve(tls=True), redfish_verify_ca="False")
        self.assertEqual(PowerState.OFF, task.call("power", "get_power_state"))


class TestFaults(ServiceTestCase):
    def strike(self, effect: str, operation: str = "get_power", **more: Any) -> RedfishService:
        service = self.serve()
        service.inject(FaultPlan.from_json([{"operation": operation, "effect": effect, **more}]))
        return service

    def test_silent_bmc(self) -> None:
        """A request to a silent BMC ends at the task's deadline."""
        service = self.strike("hang")
        raw = self.raw(service)
        task = build_task(raw.pop("redfish_address"), timeout=0.5, **raw)
        begun = time.monotonic()
        self.assertRaises(BMCUnreachable, task.call, "power", "get_power_state")
        self.assertLess(time.monotonic() - begun, 10)

    def test_bmc_that_breaks_connections(self) -> None:
        """A BMC that closes the connection instead of answering is unreachable."""
        self.assertRaises(BMCUnreachable, self.task(self.strike("drop")).call, "power", "get_power_state")

    def test_busy_bmc(self) -> None:
        """A BMC that stays busy is reported as busy after two retries, each at the time that the BMC asked for."""
        service = self.strike("busy")
        failure = self.assertRaises(BMCBusy, self.task(service).call, "power", "get_power_state")
        self.assertEqual(1.0, failure.retry_after)
        self.assertEqual(3, service.totals()["by_route"]["GET /Systems/*"])

    def test_invalid_response(self) -> None:
        """A response that is not Redfish is an error of the contract, not a crash."""
        self.assertRaises(UnexpectedAnswer, self.task(self.strike("wrong")).call, "power", "get_power_state")

    def test_refused_command(self) -> None:
        """The error for a refused command contains the BMC's message."""
        service = self.strike("refuse", "set_power*", message="the fan is missing")
        failure = self.assertRaises(UnexpectedAnswer, self.task(service).call, "power", "set_power_state", PowerState.ON)
        self.assertIn("the fan is missing", str(failure))

    def test_conflict_in_the_requested_state(self) -> None:
        """A conflict is not an error if the machine is already in the requested state."""
        service = self.serve(strict_power=True)
        task = self.task(service)
        for state in (PowerState.ON, PowerState.ON, PowerState.OFF, PowerState.OFF):
            task.power.set(state, timeout=20)
            self.assertEqual(state, task.power.get())
