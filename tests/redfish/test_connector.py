from __future__ import annotations

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
from baremetal_interfaces.local import LocalTask
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.power import RedfishPower
from baremetal_redfish.session import RedfishSession
from tests.redfish.emulated import task_at

PASSWORD = "p/ss w:rd"


class Served(TestCase):
    """Tests on a Redfish service with sessions, an account, and a count of all that it is asked."""

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
        return task_at(raw.pop("redfish_address"), **raw)


class TestSessions(Served):
    def test_one_login_and_one_logout(self) -> None:
        """A session is one login and one logout over one connection, however much is asked in between."""
        service = self.serve()
        connector = RedfishConnector()
        session = connector.open(RedfishInfo.parse(self.raw(service)), None, Deadline.after(20))
        power = RedfishPower()
        for _ in range(5):
            self.assertEqual(PowerState.OFF, power.sample_power(session, service.system_path(0), Deadline.after(10.0)))
        self.assertEqual(1, service.totals()["open_sessions"])
        connector.close(session, Deadline.after(20))
        totals = service.totals()
        self.assertEqual((1, 0, 1), (totals["logins"], totals["open_sessions"], totals["connections"]))
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
        """The only system of a BMC is looked up once for a session, and a sample of it is one request from then on."""
        service = self.serve()
        session = self.open(service, redfish_system_id=None)
        power = RedfishPower()
        self.assertIsNone(power.sample_power(session, None, Deadline.after(10.0)))
        session.read_document(None)
        before = service.totals()["requests"]
        self.assertEqual(PowerState.OFF, power.sample_power(session, None, Deadline.after(10.0)))
        self.assertEqual(before + 1, service.totals()["requests"])

    def test_wrong_password_is_tried_once(self) -> None:
        """Wrong credentials are sent once, by one kind of login, so that no account is locked by trying."""
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

    def test_basic(self) -> None:
        """With basic no session is made."""
        service = self.serve()
        self.assertEqual(PowerState.OFF, self.task(service, redfish_auth_type="basic").call("power", "get_power_state"))
        self.assertNotIn("POST /SessionService/Sessions", service.totals()["by_route"])

    def test_full_table_of_sessions(self) -> None:
        """Where no more sessions are made, auto goes on by basic, and session says that the BMC is busy."""
        service = self.serve(bmc={"session_limit": 1})
        self.open(service)
        self.assertEqual(PowerState.OFF, self.task(service).call("power", "get_power_state"))
        task = self.task(service, redfish_auth_type="session")
        self.assertRaises(BMCBusy, task.call, "power", "get_power_state")

    def test_expired_session(self) -> None:
        """A session that the service has ended is told apart from wrong credentials, and can still be closed."""
        service = self.serve()
        session = self.open(service)
        service.forget_sessions()
        failure = self.assertRaises(AccessError, session.read_document, service.system_path(0))
        self.assertEqual(Fault.EXPIRED, RedfishConnector().classify(failure))
        RedfishConnector().close(session, Deadline.after(20))

    def test_a_session_that_was_ended_is_expired_for_whoever_still_has_it(self) -> None:
        """It says nothing about the BMC, which answers: another login is all that is needed."""
        service = self.serve()
        session = self.open(service)
        RedfishConnector().close(session, Deadline.after(10.0))
        for read in (session.read_document, lambda path: session.read_system_once(path, Deadline.after(10.0))):
            failure = self.assertRaises(AccessError, read, service.system_path(0))
            self.assertEqual(Fault.EXPIRED, RedfishConnector().classify(failure))

    def test_wrong_account_by_basic(self) -> None:
        """It is noticed by the login, which asks for something that takes an account, once."""
        service = self.serve()
        failure = self.assertRaises(AccessError, self.open, service, redfish_auth_type="basic", redfish_password="wr0ng")
        self.assertEqual(Fault.AUTH, RedfishConnector().classify(failure))
        self.assertEqual(1, service.totals()["refused_logins"])

    def test_a_password_that_was_changed_meanwhile_is_sent_once_by_basic(self) -> None:
        """Who shares the session is told that it is over, and sends the old one no more; by the lean read as by any other."""
        for lean in (True, False):
            service = self.serve()
            session = self.open(service, redfish_auth_type="basic")
            service.protect(Account("root", "changed"))
            path, deadline = service.system_path(0), Deadline.after(10.0)

            def read(session: Any = session, path: str = path, deadline: Deadline = deadline, lean: bool = lean) -> Any:
                return session.read_system_once(path, deadline) if lean else session.read_document(path)

            faults = [RedfishConnector().classify(self.assertRaises(AccessError, read)) for _ in range(3)]
            self.assertEqual([Fault.AUTH, Fault.EXPIRED, Fault.EXPIRED], faults)
            self.assertEqual(1, service.totals()["refused_logins"])

    def test_broken_connections_are_replaced(self) -> None:
        """A connection that the BMC has closed while it was idle is replaced, and the session goes on."""
        service = self.serve()
        session = self.open(service)
        service.drop_connections()
        self.assertEqual(PowerState.OFF, RedfishPower().sample_power(session, service.system_path(0), Deadline.after(10.0)))
        self.assertEqual((2, 1), (service.totals()["connections"], service.totals()["logins"]))

    def test_nothing_secret_is_shown(self) -> None:
        """The text of a session shows neither the password nor the token."""
        session = self.open(self.serve())
        token = session.http.headers["X-Auth-Token"]
        shown = f"{session!r} {session.http!r} {session.transport!r}"
        self.assertNotIn(token, shown)
        self.assertNotIn(PASSWORD, shown)


class TestTrust(Served):
    def test_certificate_of_a_named_authority(self) -> None:
        """A certificate is trusted by the file that redfish_verify_ca names."""
        service = self.serve(tls=True)
        task = self.task(service, redfish_verify_ca=service.certificate)
        self.assertEqual(PowerState.OFF, task.call("power", "get_power_state"))

    def test_certificate_that_is_not_trusted(self) -> None:
        """One that is not trusted is no failure of the credentials: it says to set redfish_verify_ca, and nothing is sent."""
        service = self.serve(tls=True)
        failure = self.assertRaises(UnexpectedAnswer, self.task(service).call, "power", "get_power_state")
        self.assertIn("certificate is not trusted", str(failure))
        self.assertIn("set redfish_verify_ca", str(failure))
        self.assertEqual(0, service.totals()["requests"])

    def test_certificate_that_has_expired(self) -> None:
        """It is said that it has expired, although its authority is the one that is trusted."""
        made = make_certificate(self.useFixture(fixtures.TempDir()).path, ["127.0.0.1"], days=-1.0)
        task = self.task(self.serve(tls=made), redfish_verify_ca=made.path)
        failure = self.assertRaises(UnexpectedAnswer, task.call, "power", "get_power_state")
        self.assertIn("expired", str(failure))

    def test_certificate_that_is_not_checked(self) -> None:
        """With redfish_verify_ca false any certificate will do."""
        task = self.task(self.serve(tls=True), redfish_verify_ca="False")
        self.assertEqual(PowerState.OFF, task.call("power", "get_power_state"))


class TestFaults(Served):
    def strike(self, effect: str, operation: str = "get_power", **more: Any) -> RedfishService:
        service = self.serve()
        service.inject(FaultPlan.from_json([{"operation": operation, "effect": effect, **more}]))
        return service

    def test_silent_bmc(self) -> None:
        """A BMC that hangs is left at the task's deadline."""
        service = self.strike("hang")
        raw = self.raw(service)
        task = task_at(raw.pop("redfish_address"), timeout=0.5, **raw)
        begun = time.monotonic()
        self.assertRaises(BMCUnreachable, task.call, "power", "get_power_state")
        self.assertLess(time.monotonic() - begun, 10)

    def test_bmc_that_breaks_connections(self) -> None:
        """A BMC that breaks the connection instead of answering is unreachable."""
        self.assertRaises(BMCUnreachable, self.task(self.strike("drop")).call, "power", "get_power_state")

    def test_busy_bmc(self) -> None:
        """A BMC that stays busy is said to be busy; it was asked again when it said, and no more than twice."""
        service = self.strike("busy")
        failure = self.assertRaises(BMCBusy, self.task(service).call, "power", "get_power_state")
        self.assertEqual(1.0, failure.retry_after)
        self.assertEqual(3, service.totals()["by_route"]["GET /Systems/*"])

    def test_answer_that_makes_no_sense(self) -> None:
        """An answer that is no Redfish is a wrong answer and not a crash."""
        self.assertRaises(UnexpectedAnswer, self.task(self.strike("wrong")).call, "power", "get_power_state")

    def test_refused_command(self) -> None:
        """A command that the BMC refuses is an error with the BMC's own words."""
        service = self.strike("refuse", "set_power*", message="the fan is missing")
        failure = self.assertRaises(UnexpectedAnswer, self.task(service).call, "power", "set_power_state", PowerState.ON)
        self.assertIn("the fan is missing", str(failure))

    def test_conflict_of_a_machine_that_is_there(self) -> None:
        """A conflict is no error when the machine is in the state that was asked for."""
        service = self.serve(strict_power=True)
        task = self.task(service)
        for state in (PowerState.ON, PowerState.ON, PowerState.OFF, PowerState.OFF):
            task.power.set(state, timeout=20)
            self.assertEqual(state, task.power.get())
