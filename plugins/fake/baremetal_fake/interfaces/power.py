"""Power of simulated machines."""

from __future__ import annotations

from baremetal_fake.access import MachineAccess, SessionAccess
from baremetal_fake.connector import FakeSession
from baremetal_fake.info import FakeBMCInfo
from baremetal_fake.machine import Power
from baremetal_interfaces import Deadline, PowerInterface, PowerSampling, PowerState, Task

_OBSERVED = {Power.ON: PowerState.ON, Power.OFF: PowerState.OFF}


def observed(power: Power | None) -> PowerState:
    """The state that the contract knows; a machine between two states is in an unknown one."""
    return PowerState.UNKNOWN if power is None else _OBSERVED.get(power, PowerState.UNKNOWN)


class FakePower(MachineAccess, PowerInterface):
    """Switches a simulated machine."""

    supported_states = frozenset(PowerState) - {PowerState.UNKNOWN}

    def get_power_state(self, task: Task) -> PowerState:
        """Ask the simulated BMC."""
        with self.bmc(task) as bmc:
            return observed(bmc.get_power())

    def set_power_state(self, task: Task, state: PowerState) -> None:
        """Send the command; the machine takes as long as its timings say."""
        with self.bmc(task) as bmc:
            bmc.set_power(state)


class FakeBMCPower(SessionAccess, FakePower, PowerSampling[FakeSession]):
    """The same by way of a login and a kept session."""

    def sample_power(self, session: FakeSession, target: FakeBMCInfo, deadline: Deadline) -> PowerState | None:
        """One read over the session."""
        session.machine.carry_faults(target.fake_faults)
        return observed(session.bmc().get_power())
