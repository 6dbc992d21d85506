"""Restarts of the BMC by a command, and unnoticed restarts."""

from __future__ import annotations

from baremetal_fake import FaultPlan
from baremetal_interfaces import Deadline, PowerState, RequestUnanswered, UnexpectedAnswer
from baremetal_ipmi import IPMIConnector, IPMIInfo, session
from baremetal_ipmi.errors import SessionLost
from tests.plugins.ipmi.service_case import BMCTestCase

COLD = {"warm": False}
_COLD_RESET = (0x06, 0x02)


class TestReset(BMCTestCase):
    def setUp(self) -> None:
        super().setUp()
        for name in ("_RESTART_ANSWER_TIMEOUT_S", "_RESTART_PROBE_TIMEOUT_S"):
            self.patch(session, name, 0.5)

    def test_reset_without_an_answer_is_done_at_silence(self) -> None:
        """A BMC that goes down without an answer, or comes back without its sessions, was restarted."""
        for seconds in (0.0, 60.0):
            service = self.serve(answers_reset=False, reset_seconds=seconds)
            self.assertIsNone(self.task(service, timeout=600.0).call("vendor", "bmc_reset", **COLD))
            self.assertIn("reset_bmc", [entry.operation for entry in service.machine().log])

    def test_bmc_is_usable_after_a_reset(self) -> None:
        """The session of a reset is not used again, so that the next call logs in."""
        service = self.serve(answers_reset=False)
        task = self.task(service)
        with task.session(IPMIConnector) as session:
            session.request_restart(*_COLD_RESET, deadline=Deadline.after(20.0))
            self.assertRaises(SessionLost, session.request, 0, 1, deadline=Deadline.after(20.0))
        self.assertEqual(PowerState.OFF, self.task(service).power.get())

    def test_ignored_reset_is_an_error(self) -> None:
        """A BMC that does not answer the command and goes on with the session was not restarted."""
        self.patch(session, "_RESTART_GRACE_S", 1.5)
        service = self.serve()
        service.inject(FaultPlan.from_json({"reset_bmc": {"effect": "hang"}}))
        error = self.assertRaises(RequestUnanswered, self.task(service).call, "vendor", "bmc_reset", **COLD)
        self.assertIn("goes on as before", str(error))

    def test_refused_reset_is_an_error(self) -> None:
        """A refusal is not silence."""
        service = self.serve(refused_commands={_COLD_RESET: 0xC1})
        self.assertRaises(UnexpectedAnswer, self.task(service).call, "vendor", "bmc_reset", **COLD)
        self.assertIsNone(self.task(service).call("vendor", "bmc_reset", warm=True))


class TestUnnoticedRestart(BMCTestCase):
    def test_read_in_an_idle_session_leaves_time_for_a_login(self) -> None:
        """A read without an answer ends early as a lost session if the session was idle. A change does not."""
        self.patch(session, "_STALE_TIMEOUT_S", 0.5)
        self.patch(session, "_MIN_STALE_IDLE_S", 0.0)
        service = self.serve()
        host, port = service.address_of()
        info = IPMIInfo(ipmi_address=host, ipmi_port=port, ipmi_username="admin", ipmi_password="password")
        opened = IPMIConnector().open(info, None, Deadline.after(20.0))
        self.addCleanup(opened.close, Deadline.after(1.0))
        opened.request(0, 1, deadline=Deadline.after(20.0))
        service.end_sessions()
        deadline = Deadline.after(60.0)
        self.assertRaises(SessionLost, opened.request, 0, 1, deadline=deadline)
        self.assertGreater(deadline.remaining(), 30.0)
        self.assertEqual(PowerState.OFF, self.task(service).power.get())
