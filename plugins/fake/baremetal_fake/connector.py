"""Connector of the ``fake-bmc`` interfaces: it opens and closes sessions at simulated BMCs, as connectors of real BMCs do."""

from __future__ import annotations

import ssl

from baremetal_fake.bmc import FakeBMC, apply_fault
from baremetal_fake.errors import BMCBusy, FakeBMCError, LoginRefused, NoAnswer, SessionExpired
from baremetal_fake.faults import Effect
from baremetal_fake.faults import Fault as PlannedFault
from baremetal_fake.info import FakeBMCInfo
from baremetal_fake.machine import Machine
from baremetal_fake.rack import HeldRacks, Rack
from baremetal_interfaces import Connector, Deadline, Fault, check_send


class FakeSession:
    """An open session at the simulated BMC of one machine."""

    def __init__(self, rack: Rack, machine: Machine) -> None:
        self.rack = rack
        self.machine = machine
        self.closed = False

    def bmc(self, deadline: Deadline | None = None) -> FakeBMC:
        """Return a client whose calls end at *deadline*; raise SessionExpired if the session is closed.

        Without a deadline, the calls end after the patience of the rack (default: 30 seconds).
        """
        if self.closed:
            raise SessionExpired("cannot use the session at the BMC: it is closed; log in again")
        return FakeBMC(self.rack, self.machine, deadline or Deadline.after(self.rack.patience, self.rack.clock))


class FakeConnector(Connector[FakeSession]):
    """Connector that logs in at the simulated BMC of the machine that ``fake_machine`` names."""

    def __init__(self) -> None:
        self._racks = HeldRacks()

    def open(self, info: FakeBMCInfo, tls: ssl.SSLContext | None, deadline: Deadline) -> FakeSession:
        """Log in with the credentials in *info*, and return the session. Fault plans call this operation ``login``.

        Raises LoginRefused if the credentials are wrong, or the error of a fault.
        """
        rack = self._racks[info.fake_rack]
        machine = rack.machine(info.fake_machine)
        machine.set_client_faults(info.fake_faults)
        counters = rack.counters(machine.name)
        check_send()
        with counters.request():
            fault = machine.record_operation("login", username=info.fake_username)
            try:
                self._log_in(rack, machine, info, fault, deadline)
            except LoginRefused:
                counters.count_login(accepted=False)
                raise
        counters.count_login()
        return FakeSession(rack, machine)

    def _log_in(self, rack: Rack, machine: Machine, info: FakeBMCInfo, fault: PlannedFault | None, deadline: Deadline) -> None:
        if fault is not None:
            apply_fault(fault, rack, deadline)
        if not rack.accepts(machine.name, info.fake_username, info.fake_password):
            raise LoginRefused(
                f"cannot log in at the BMC of {machine.name}: it refused the credentials of account {info.fake_username}"
            )

    def close(self, session: FakeSession, deadline: Deadline) -> None:
        """Log out and mark *session* as closed. Fault plans call this operation ``logout``. Does nothing if it is already closed.

        Raises the error of a fault, except that of ``expire``.
        """
        if session.closed:
            return
        session.closed = True
        counters = session.rack.counters(session.machine.name)
        fault = session.machine.record_operation("logout")
        if fault is None or fault.effect is not Effect.LOSE:
            counters.count_logout()
        if fault is not None and fault.effect is not Effect.EXPIRE:
            apply_fault(fault, session.rack, deadline)

    def classify(self, exc: Exception) -> Fault:
        """Return the fault class of the contract for *exc*, an error of a simulated BMC."""
        return classify(exc)


def classify(exc: Exception) -> Fault:
    """Return the fault class of the contract for *exc*, an error of a simulated BMC. Unknown errors are ``OTHER``."""
    meanings: tuple[tuple[type[FakeBMCError], Fault], ...] = (
        (LoginRefused, Fault.AUTH),
        (SessionExpired, Fault.EXPIRED),
        (NoAnswer, Fault.UNREACHABLE),
        (BMCBusy, Fault.BUSY),
    )
    return next((fault for error, fault in meanings if isinstance(exc, error)), Fault.OTHER)
