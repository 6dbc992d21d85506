"""The console of a simulated machine: it can be started and stopped, and nobody answers there."""

from __future__ import annotations

from baremetal_fake.access import MachineAccess
from baremetal_interfaces import Conflict, ConsoleAccess, ConsoleInterface, Task


class FakeConsole(MachineAccess, ConsoleInterface):
    """Remembers whether it is started."""

    def start_console(self, task: Task) -> None:
        """Start it."""
        self._enable(task, True)

    def stop_console(self, task: Task) -> None:
        """Stop it."""
        self._enable(task, False)

    def get_console(self, task: Task) -> ConsoleAccess:
        """Where it would be; Conflict while it is stopped."""
        with self.bmc(task) as bmc:
            if not bmc.machine.console_enabled:
                raise Conflict(f"the console of node {task.node.label} is not started")
            return ConsoleAccess("fake", f"fake://{bmc.machine.name}/console")

    def _enable(self, task: Task, enabled: bool) -> None:
        with self.bmc(task) as bmc:
            bmc.write("set_console", lambda: setattr(bmc.machine, "console_enabled", enabled), enabled=enabled)
