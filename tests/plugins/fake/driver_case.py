"""Tasks that use one simulated machine through the interfaces of fake-hardware, without a runtime."""

from __future__ import annotations

import uuid
from typing import Any

import testtools

from baremetal_fake import Machine, Rack, Timings, share
from baremetal_fake.interfaces.bios import FakeBIOS
from baremetal_fake.interfaces.boot import FakeBoot
from baremetal_fake.interfaces.console import FakeConsole
from baremetal_fake.interfaces.deploy import FakeDeploy
from baremetal_fake.interfaces.firmware import FakeFirmware
from baremetal_fake.interfaces.inspect import FakeInspect
from baremetal_fake.interfaces.management import FakeBMCManagement, FakeManagement
from baremetal_fake.interfaces.power import FakeBMCPower, FakePower
from baremetal_fake.interfaces.raid import FakeRAID
from baremetal_fake.interfaces.rescue import FakeRescue
from baremetal_fake.interfaces.storage import FakeStorage
from baremetal_fake.interfaces.vendor import FakeVendor
from baremetal_fake.lab import ManualClock
from baremetal_interfaces import Interface, Kind, Node
from baremetal_interfaces.local import LocalTask


def interfaces(**others: Interface) -> dict[str, Interface]:
    """Return the fake interface of each kind, replaced by *others* where given."""
    made: dict[str, Interface] = {
        "power": FakePower(),
        "management": FakeManagement(),
        "boot": FakeBoot(),
        "deploy": FakeDeploy(),
        "inspect": FakeInspect(),
        "bios": FakeBIOS(),
        "raid": FakeRAID(),
        "firmware": FakeFirmware(),
        "console": FakeConsole(),
        "rescue": FakeRescue(),
        "storage": FakeStorage(),
        "vendor": FakeVendor(),
    }
    return {**made, **others}


def session_interfaces() -> dict[str, Interface]:
    """Return the same interfaces, with power and management that log in."""
    return interfaces(power=FakeBMCPower(), management=FakeBMCManagement())


class DriverTestCase(testtools.TestCase):
    """A test case with a rack whose manual clock also moves when a client waits."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        name = f"rack-{uuid.uuid4().hex}"
        self.rack = share(Rack(name, clock=self.clock, wait=self.clock.turn, timings=Timings(3.0, 2.0, 20.0)))
        self.interfaces = interfaces()

    @property
    def machine(self) -> Machine:
        return self.rack.machine("m")

    def task(self, faults: Any = None, node: dict[str, Any] | None = None, timeout: float = 300.0, **info: Any) -> LocalTask:
        """Return a task at the machine ``m``."""
        driver_info = {"fake_machine": "m", "fake_rack": self.rack.name, "fake_faults": faults, **info}
        return LocalTask(
            self.interfaces,
            driver_info,
            node=Node(uuid=str(uuid.uuid4()), **(node or {})),
            timeout=timeout,
            clock=self.clock,
            wait=self.clock.turn,
        )

    def call(self, kind: Kind | str, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call one method of an interface as a runtime does."""
        return self.task().call(kind, method, *args, **kwargs)
