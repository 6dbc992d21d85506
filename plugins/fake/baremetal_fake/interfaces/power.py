"""Power of simulated machines."""

from __future__ import annotations

from baremetal_fake.access import MachineAccess, SessionAccess
from baremetal_fake.connector import FakeSession
from baremetal_fake.info import FakeBMCInfo
from baremetal_fake.machine import Power
from baremetal_interfaces import Deadline, PowerInterface, PowerSampling, PowerState, Task

_POWER_STATES = {Power.ON: PowerState.ON, Power.OFF: PowerState.OFF}


def to_power_state(power: Power | None) -> PowerState:
    """Return the power state of the contract. It is unknown while the power changes, and if the BMC's answer is not valid."""
    return PowerState.UNKNOWN if power is None else _POWER_STATES.get(power, PowerState.UNKNOWN)


class FakePower(MachineAccess, PowerInterface):
    """Power interface of a simulated machine."""

    supported_states = frozenset(PowerState) - {PowerState.UNKNOWN}

    def get_power_state(self, task: Task) -> PowerState:
        """Return the power state that the simulated BMC reports."""
        with self.bmc(task) as bmc:
            return to_power_state(bmc.get_power())

    def set_power_state(self, task: Task, state: PowerState) -> None:
        """Send a power command. The machine's timings set the duration of the change."""
        with self.bmc(task) as bmc:
            bmc.set_power(state)


class FakeBMCPower(SessionAccess, FakePower, PowerSampling[FakeSession]):
    """The same interface through a session at the BMC."""

    def sample_power(self, session: FakeSession, target: FakeBMCInfo, deadline: Deadline) -> PowerState | None:
        """Return the power state, read once through *session*."""
        session.machine.set_client_faults(target.fake_faults)
        return to_power_state(session.bmc().get_power())
