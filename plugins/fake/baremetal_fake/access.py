"""How the interfaces reach the machine of a node: straight in process, or through a session at its BMC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

from baremetal_fake.bmc import FakeBMC
from baremetal_fake.connector import FakeConnector
from baremetal_fake.errors import FakeBMCError
from baremetal_fake.info import FakeBMCInfo, FakeInfo
from baremetal_fake.rack import DEFAULT_RACK, HeldRacks
from baremetal_interfaces import Interface, Task
from baremetal_interfaces.faults import translate


class MachineAccess(Interface):
    """The base of the interfaces that are called ``fake``."""

    info_type: ClassVar[type[FakeInfo]] = FakeInfo

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._racks = HeldRacks()
        # The default rack is held from the start, so that it is the same one before and after the first node.
        self._default = self._racks[DEFAULT_RACK]

    def bmc(self, task: Task) -> AbstractContextManager[FakeBMC]:
        """The BMC of the task's machine. What goes wrong within comes out as an error of the contract."""
        return self._direct(task)

    @contextmanager
    def _direct(self, task: Task) -> Iterator[FakeBMC]:
        info: FakeInfo = task.info(self.kind)
        rack = self._racks[info.fake_rack]
        machine = rack.machine(info.fake_machine or task.node.uuid)
        machine.carry_faults(info.fake_faults)
        try:
            yield FakeBMC(rack, machine, task.deadline)
        except FakeBMCError as exc:
            raise translate(exc, connector=FakeConnector(), endpoint=None, secrets=()) from None


class SessionAccess(MachineAccess):
    """The base of the interfaces that are called ``fake-bmc``: they log in and borrow sessions, as real ones do."""

    info_type = FakeBMCInfo
    connector = FakeConnector

    def bmc(self, task: Task) -> AbstractContextManager[FakeBMC]:
        """The BMC of the task's machine, by a borrowed session."""
        return self._borrowed(task)

    @contextmanager
    def _borrowed(self, task: Task) -> Iterator[FakeBMC]:
        info: FakeBMCInfo = task.info(self.kind)
        self._racks[info.fake_rack].machine(info.fake_machine).carry_faults(info.fake_faults)
        with task.session(FakeConnector) as session:
            yield session.bmc(task.deadline)
