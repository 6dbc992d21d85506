"""Console, rescue and vendor interfaces of the contract as Ironic's."""

from __future__ import annotations

import functools
from typing import Any

from ironic.common import exception, states
from ironic.conf import CONF
from ironic.drivers import base

from baremetal_interfaces import ConsoleAccess, Passthru, Wait
from baremetal_ironic_bridge import waiting
from baremetal_ironic_bridge.adapter import Adapter
from baremetal_ironic_bridge.faults import as_ironic


class ConsoleAdapter(Adapter, base.ConsoleInterface):
    """Starts and stops access to the console."""

    def start_console(self, task: Any) -> None:
        """Make it reachable."""
        self.call(task, "start_console")

    def stop_console(self, task: Any) -> None:
        """Make it unreachable."""
        self.call(task, "stop_console")

    def get_console(self, task: Any) -> dict[str, str]:
        """How to reach it."""
        found: ConsoleAccess = self.call(task, "get_console")
        return {"type": found.type, "url": found.url}


class RescueAdapter(Adapter, base.RescueInterface):
    """Boots into and out of a rescue system."""

    def rescue(self, task: Any) -> str:
        """Boot the rescue system, or begin with it."""
        outcome = self.call(task, "rescue", timeout=float(CONF.contract.step_timeout))
        if not isinstance(outcome, Wait):
            return str(states.RESCUE)
        if outcome.poll_after is None:
            raise exception.UnsupportedDriverExtension(f"{self.bridged.__name__} waits for an event, which Ironic's agent sends")
        self.demand_poll(outcome)
        waiting.begin_rescue(task.node, outcome)
        return str(states.RESCUEWAIT)

    def unrescue(self, task: Any) -> str:
        """Boot the instance again."""
        self.call_at_once(task, "unrescue")
        return str(states.ACTIVE)

    def clean_up(self, task: Any) -> None:
        """Leave nothing of a rescue."""
        waiting.forget(task.node)
        self.call(task, "clean_up")


class VendorAdapter(Adapter, base.VendorInterface):
    """The declared methods are routes of Ironic's vendor passthru."""

    def __init__(self) -> None:
        super().__init__()
        for name, one in self._interface.passthrus.items():  # type: ignore[attr-defined]
            call = functools.partial(self._for_node, one)
            self.vendor_routes[name] = {**_route(one), "require_exclusive_lock": True, "func": call}
        for name, one in self._interface.driver_passthrus.items():  # type: ignore[attr-defined]
            self.driver_routes[name] = {**_route(one), "func": functools.partial(self._for_driver, one)}

    def validate(self, task: Any, method: str | None = None, **named: Any) -> None:
        """Check ``driver_info``; the method looks at its arguments itself."""
        super().validate(task)

    def _for_node(self, one: Passthru, task: Any, http_method: str = "", **named: Any) -> Any:
        return self.call(task, one.method, timeout=float(CONF.contract.step_timeout), **named)

    def _for_driver(self, one: Passthru, context: Any, http_method: str = "", **named: Any) -> Any:
        with as_ironic():
            return getattr(self._interface, one.method)(**named)


def _route(one: Passthru) -> dict[str, Any]:
    return {"http_methods": sorted(one.http_methods), "async": one.background, "description": one.description, "attach": False}
