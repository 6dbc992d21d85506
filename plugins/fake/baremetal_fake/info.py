"""Options in ``driver_info`` of nodes that use ``fake-hardware``."""

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
    """Options of the ``fake`` interfaces: the name of the simulated machine, its rack and its faults. All are optional."""

    fake_machine: str | None = option(_MACHINE + " Default: the node's UUID.", default=None)
    fake_rack: str = option("Name of the rack that holds the machine.", default=DEFAULT_RACK)
    fake_faults: dict[str, object] | None = option(_FAULTS, default=None)  # noqa: RUF009

    def check(self) -> Iterable[Problem]:
        """Return the problems of the fault plan in ``fake_faults``. The other options have no checks here."""
        if self.fake_faults is not None:
            try:
                FaultPlan.from_json(self.fake_faults, "driver_info/fake_faults")
            except InvalidInput as exc:
                return exc.problems
        return ()


@dataclass(frozen=True)
class FakeBMCInfo(FakeInfo):
    """Options of the ``fake-bmc`` interfaces, which log in at a simulated BMC.

    The name of the machine is required, because it is the address by which the runtime keeps sessions.
    """

    address_option = "fake_machine"

    fake_machine: str = option(_MACHINE)
    fake_username: str = option("Name of the account at the simulated BMC.", default="admin")
    fake_password: str = option("Password of the account at the simulated BMC.", default="password", secret=True)
