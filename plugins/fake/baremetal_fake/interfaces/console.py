"""Console interface of ``fake-hardware``. A console can be started and stopped, but no server listens at its URL."""

from __future__ import annotations

from urllib.parse import quote

from baremetal_fake.access import MachineAccess
from baremetal_interfaces import Conflict, ConsoleAccess, ConsoleInterface, Task
from baremetal_interfaces.addresses import build_url


class FakeConsole(MachineAccess, ConsoleInterface):
    """Console interface ``fake``, which only records whether the console of a simulated machine is started."""

    def start_console(self, task: Task) -> None:
        """Record that the console is started."""
        self._enable(task, True)

    def stop_console(self, task: Task) -> None:
        """Record that the console is stopped."""
        self._enable(task, False)

    def get_console(self, task: Task) -> ConsoleAccess:
        """Return the type and the URL of the console; raise Conflict if the console is not started."""
        with self.bmc(task) as bmc:
            if not bmc.machine.console_enabled:
                raise Conflict(f"the console of node {task.node.label} is not started; start it first")
            return ConsoleAccess("fake", build_url("fake", quote(bmc.machine.name), path="/console"))

    def _enable(self, task: Task, enabled: bool) -> None:
        with self.bmc(task) as bmc:
            bmc.write("set_console", lambda: setattr(bmc.machine, "console_enabled", enabled), enabled=enabled)
