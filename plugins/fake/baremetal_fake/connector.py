"""How a session at a simulated BMC is opened: the path that a runtime's access layer takes at real ones, too."""

from __future__ import annotations

import ssl

from baremetal_fake.bmc import FakeBMC, strike
from baremetal_fake.errors import FakeBMCError, LoginRefused, NoAnswer, SessionExpired, TryLater
from baremetal_fake.faults import Effect
from baremetal_fake.faults import Fault as PlannedFault
from baremetal_fake.info import FakeBMCInfo
from baremetal_fake.machine import Machine
from baremetal_fake.rack import HeldRacks, Rack
from baremetal_interfaces import Connector, Deadline, Fault, check_send


class FakeSession:
    """A session at the BMC of one machine."""

    def __init__(self, rack: Rack, machine: Machine) -> None:
        self.rack = rack
        self.machine = machine
        self.closed = False

    def bmc(self, deadline: Deadline | None = None) -> FakeBMC:
        """The client to ask and to command with, until *deadline* or for the patience of the rack.

        Raises SessionExpired once the session has ended.
        """
        if self.closed:
            raise SessionExpired("the session is not known")
        return FakeBMC(self.rack, self.machine, deadline or Deadline.after(self.rack.patience, self.rack.clock))


class FakeConnector(Connector[FakeSession]):
    """Logs in at the BMC of the machine that ``fake_machine`` names."""

    def __init__(self) -> None:
        self._racks = HeldRacks()

    def open(self, info: FakeBMCInfo, tls: ssl.SSLContext | None, deadline: Deadline) -> FakeSession:
        """Log in once. A fault plan knows it as the operation ``login``."""
        rack = self._racks[info.fake_rack]
        machine = rack.machine(info.fake_machine)
        machine.carry_faults(info.fake_faults)
        counters = rack.counters(machine.name)
        check_send()
        with counters.request():
            fault = machine.admit("login", username=info.fake_username)
            try:
                self._log_in(rack, machine, info, fault, deadline)
            except LoginRefused:
                counters.logged_in(accepted=False)
                raise
        counters.logged_in()
        return FakeSession(rack, machine)

    def _log_in(self, rack: Rack, machine: Machine, info: FakeBMCInfo, fault: PlannedFault | None, deadline: Deadline) -> None:
        if fault is not None:
            strike(fault, rack, deadline)
        if not rack.accepts(machine.name, info.fake_username, info.fake_password):
            raise LoginRefused(f"the BMC of {machine.name} refuses the account {info.fake_username}")

    def close(self, session: FakeSession, deadline: Deadline) -> None:
        """Log out. A fault plan knows it as the operation ``logout``; a session that is not known any more is closed."""
        if session.closed:
            return
        session.closed = True
        counters = session.rack.counters(session.machine.name)
        fault = session.machine.admit("logout")
        if fault is None or fault.effect is not Effect.LOSE:
            counters.logged_out()
        if fault is not None and fault.effect is not Effect.EXPIRE:
            strike(fault, session.rack, deadline)

    def classify(self, exc: Exception) -> Fault:
        """What an error of a simulated BMC means."""
        return classify(exc)


def classify(exc: Exception) -> Fault:
    """What an error of a simulated BMC means to whoever drives it."""
    meanings: tuple[tuple[type[FakeBMCError], Fault], ...] = (
        (LoginRefused, Fault.AUTH),
        (SessionExpired, Fault.EXPIRED),
        (NoAnswer, Fault.UNREACHABLE),
        (TryLater, Fault.BUSY),
    )
    return next((fault for error, fault in meanings if isinstance(exc, error)), Fault.OTHER)
