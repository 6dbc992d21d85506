"""What a node says about its simulated machine. All of it may be left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from baremetal_fake.faults import FaultPlan
from baremetal_fake.rack import DEFAULT_RACK
from baremetal_interfaces import DriverInfo, InvalidInput, Problem, option

_MACHINE = "Name of the simulated machine; it exists by being named."
_FAULTS = (
    "What goes wrong at the machine: an object of operation -> fault, such as "
    '{"set_power": {"effect": "lose", "nth": 2, "times": 1}}.'
)


@dataclass(frozen=True)
class FakeInfo(DriverInfo):
    """Which machine, in which rack, and what goes wrong there."""

    fake_machine: str | None = option(_MACHINE + " By default the node's UUID.", default=None)
    fake_rack: str = option("Name of the rack that the machine stands in.", default=DEFAULT_RACK)
    fake_faults: dict[str, object] | None = option(_FAULTS, default=None)  # noqa: RUF009

    def check(self) -> Iterable[Problem]:
        """The problems of the fault plan."""
        if self.fake_faults is not None:
            try:
                FaultPlan.from_json(self.fake_faults, "driver_info/fake_faults")
            except InvalidInput as exc:
                return exc.problems
        return ()


@dataclass(frozen=True)
class FakeBMCInfo(FakeInfo):
    """The same for the interfaces that log in: a session is kept for a BMC, so the BMC has to be named."""

    address_option = "fake_machine"

    fake_machine: str = option(_MACHINE)
    fake_username: str = option("Account at the simulated BMC.", default="admin")
    fake_password: str = option("Its password.", default="password", secret=True)
