"""The ``driver_info`` of nodes with simulated machines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from baremetal_fake.faults import FaultPlan
from baremetal_fake.rack import DEFAULT_RACK
from baremetal_interfaces import DriverInfo, InvalidInput, Problem, option

_MACHINE = "Name of the simulated machine. The first use of a name creates the machine."
_FAULTS = (
    "Faults that occur at the machine: an object that maps operations to faults, such as "
    '{"set_power": {"effect": "lose", "nth": 2, "times": 1}}.'
)


@dataclass(frozen=True)
class FakeInfo(DriverInfo):
    """The name of the machine, its rack and its faults. All options may be left out."""

    fake_machine: str | None = option(_MACHINE + " Default: the node's UUID.", default=None)
    fake_rack: str = option("Name of the rack that holds the machine.", default=DEFAULT_RACK)
    fake_faults: dict[str, object] | None = option(_FAULTS, default=None)  # noqa: RUF009

    def check(self) -> Iterable[Problem]:
        """Return the problems of the fault plan."""
        if self.fake_faults is not None:
            try:
                FaultPlan.from_json(self.fake_faults, "driver_info/fake_faults")
            except InvalidInput as exc:
                return exc.problems
        return ()


@dataclass(frozen=True)
class FakeBMCInfo(FakeInfo):
    """The same options for the interfaces that log in. The runtime keeps sessions by BMC, so the machine's name is required."""

    address_option = "fake_machine"

    fake_machine: str = option(_MACHINE)
    fake_username: str = option("Name of the account at the simulated BMC.", default="admin")
    fake_password: str = option("Password of the account at the simulated BMC.", default="password", secret=True)
