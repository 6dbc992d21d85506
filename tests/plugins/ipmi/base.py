"""OpenIPMI's simulator for a test class, and tasks on its machine."""

from __future__ import annotations

from typing import Any, ClassVar

from testtools import TestCase

from baremetal_interfaces import LocalTask, Node
from baremetal_ipmi import IPMIConnector, IPMIManagement, IPMIPower
from tests.fixtures import ipmi_sim


class SimulatorTestCase(TestCase):
    """Test case with one OpenIPMI simulator for the whole class."""

    sim: ClassVar[ipmi_sim.IPMISimulator]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        if not ipmi_sim.is_installed():
            raise cls.skipException(f"{ipmi_sim.BINARY} is not installed (Debian's package openipmi has it)")
        cls.sim = ipmi_sim.IPMISimulator()
        cls.sim.__enter__()
        # The simulator supports suite 3 alone, and its port may be that of a former BMC with suite 17.
        IPMIConnector.traits.clear()
        cls.addClassCleanup(cls.sim.__exit__, None, None, None)

    def task(self, timeout: float = 30.0, node: Node | None = None, **changes: Any) -> LocalTask:
        """Return a task on the machine; *changes* replace options of its driver_info."""
        interfaces = {"power": IPMIPower(), "management": IPMIManagement()}
        info = {**self.sim.driver_info, **changes}
        return LocalTask(interfaces, info, node=node, timeout=timeout, poll_interval=0.05)
