"""Base classes of the interfaces of ``fake-hardware``: they reach a node's machine directly, or by a session at its BMC."""

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
    """Base of the interfaces named ``fake``, which reach the simulated machine directly, without a session."""

    info_type: ClassVar[type[FakeInfo]] = FakeInfo

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._racks = HeldRacks()
        # Racks are kept by weak references. This strong one keeps the default rack, and its machines, from the start.
        self._default = self._racks[DEFAULT_RACK]

    def bmc(self, task: Task) -> AbstractContextManager[FakeBMC]:
        """Return a context manager that yields an in-process client of the BMC of the task's machine.

        The block turns errors of the simulated BMC into errors of the contract.
        """
        return self._open_directly(task)

    @contextmanager
    def _open_directly(self, task: Task) -> Iterator[FakeBMC]:
        info: FakeInfo = task.info(self.kind)
        rack = self._racks[info.fake_rack]
        machine = rack.machine(info.fake_machine or task.node.uuid)
        machine.set_client_faults(info.fake_faults)
        try:
            yield FakeBMC(rack, machine, task.deadline)
        except FakeBMCError as exc:
            raise translate(exc, connector=FakeConnector(), endpoint=None, secrets=()) from None


class SessionAccess(MachineAccess):
    """Base of the interfaces named ``fake-bmc``, which borrow a BMC session from the runtime, as drivers of real BMCs do."""

    info_type = FakeBMCInfo
    connector = FakeConnector

    def bmc(self, task: Task) -> AbstractContextManager[FakeBMC]:
        """Return a context manager that yields a client of the BMC of the task's machine, through a borrowed session."""
        return self._borrow_session(task)

    @contextmanager
    def _borrow_session(self, task: Task) -> Iterator[FakeBMC]:
        info: FakeBMCInfo = task.info(self.kind)
        self._racks[info.fake_rack].machine(info.fake_machine).set_client_faults(info.fake_faults)
        with task.session(FakeConnector) as session:
            yield session.bmc(task.deadline)
