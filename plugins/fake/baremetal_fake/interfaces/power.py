"""Power interfaces of ``fake-hardware``, with and without a session at the simulated BMC."""

from __future__ import annotations

from baremetal_fake.access import MachineAccess, SessionAccess
from baremetal_fake.connector import FakeSession
from baremetal_fake.info import FakeBMCInfo
from baremetal_fake.machine import Power
from baremetal_interfaces import Deadline, PowerInterface, PowerSampling, PowerState, Task

_POWER_STATES = {Power.ON: PowerState.ON, Power.OFF: PowerState.OFF}


def to_power_state(power: Power | None) -> PowerState:
    """Return the power state of the contract for *power*: UNKNOWN during a power change, or for None (no valid answer)."""
    return PowerState.UNKNOWN if power is None else _POWER_STATES.get(power, PowerState.UNKNOWN)


class FakePower(MachineAccess, PowerInterface):
    """Power interface ``fake`` of a simulated machine."""

    supported_states = frozenset(PowerState) - {PowerState.UNKNOWN}

    def get_power_state(self, task: Task) -> PowerState:
        """Return the power state that the simulated BMC reports, or UNKNOWN during a power change."""
        with self.bmc(task) as bmc:
            return to_power_state(bmc.get_power())

    def set_power_state(self, task: Task, state: PowerState) -> None:
        """Send a power command for *state*, and return at once. The timings of the machine set how long the change takes."""
        with self.bmc(task) as bmc:
            bmc.set_power(state)


class FakeBMCPower(SessionAccess, FakePower, PowerSampling[FakeSession]):
    """Power interface ``fake-bmc``: the same operations as ``fake``, through a session at the simulated BMC."""

    def sample_power(self, session: FakeSession, target: FakeBMCInfo, deadline: Deadline) -> PowerState | None:
        """Return the power state that the simulated BMC reports to a single read through *session*."""
        session.machine.set_client_faults(target.fake_faults)
        return to_power_state(session.bmc().get_power())
