"""Adapters that offer plugins' console, rescue and vendor interfaces to Ironic."""

from __future__ import annotations

import functools
from typing import Any

from ironic.common import exception, states
from ironic.conf import CONF
from ironic.drivers import base

from baremetal_interfaces import ConsoleAccess, Passthru, Wait
from baremetal_ironic_bridge import waiting
from baremetal_ironic_bridge.adapter import Adapter
from baremetal_ironic_bridge.faults import translate_errors


class ConsoleAdapter(Adapter, base.ConsoleInterface):
    """Offers a plugin's console interface to Ironic."""

    def start_console(self, task: Any) -> None:
        """Start access to the console through the plugin."""
        self.call(task, "start_console")

    def stop_console(self, task: Any) -> None:
        """Stop access to the console through the plugin."""
        self.call(task, "stop_console")

    def get_console(self, task: Any) -> dict[str, str]:
        """Return the type and URL of the console as ``{"type": ..., "url": ...}``."""
        found: ConsoleAccess = self.call(task, "get_console")
        return {"type": found.type, "url": found.url}


class RescueAdapter(Adapter, base.RescueInterface):
    """Offers a plugin's rescue interface to Ironic."""

    def rescue(self, task: Any) -> str:
        """Boot the rescue system. Return the provision state for Ironic: ``rescue`` if done, ``rescue wait`` if polls follow.

        Raises UnsupportedDriverExtension if the plugin waits for an event.
        """
        outcome = self.call(task, "rescue", timeout=float(CONF.contract.step_timeout))
        if not isinstance(outcome, Wait):
            return str(states.RESCUE)
        if outcome.poll_after is None:
            wrong = f"{self.bridged.__name__}.rescue waits for an event, which only Ironic's agent interface receives"
            raise exception.UnsupportedDriverExtension(f"{wrong}; return Wait with poll_after")
        self.require_poll(outcome)
        waiting.start_rescue_wait(task.node, outcome)
        return str(states.RESCUEWAIT)

    def unrescue(self, task: Any) -> str:
        """Boot the instance again. Return the state ``active``, which Ironic expects."""
        self.call_without_wait(task, "unrescue")
        return str(states.ACTIVE)

    def clean_up(self, task: Any) -> None:
        """Remove the record of a waiting rescue, and the resources of the rescue through the plugin."""
        waiting.clear_wait(task.node)
        self.call(task, "clean_up")


class VendorAdapter(Adapter, base.VendorInterface):
    """Offers a plugin's vendor methods as routes of Ironic's vendor passthru."""

    def __init__(self) -> None:
        super().__init__()
        for name, passthru in self._interface.passthrus.items():  # type: ignore[attr-defined]
            call = functools.partial(self._call_for_node, passthru)
            self.vendor_routes[name] = {**_describe_passthru(passthru), "require_exclusive_lock": True, "func": call}
        for name, passthru in self._interface.driver_passthrus.items():  # type: ignore[attr-defined]
            call = functools.partial(self._call_for_driver, passthru)
            self.driver_routes[name] = {**_describe_passthru(passthru), "func": call}

    def validate(self, task: Any, method: str | None = None, **named: Any) -> None:
        """Check ``driver_info`` only. The vendor method itself checks its arguments when it runs."""
        super().validate(task)

    def _call_for_node(self, passthru: Passthru, task: Any, http_method: str = "", **named: Any) -> Any:
        return self.call(task, passthru.method, timeout=float(CONF.contract.step_timeout), **named)

    def _call_for_driver(self, passthru: Passthru, context: Any, http_method: str = "", **named: Any) -> Any:
        with translate_errors():
            return getattr(self._interface, passthru.method)(**named)


def _describe_passthru(passthru: Passthru) -> dict[str, Any]:
    return {
        "http_methods": sorted(passthru.http_methods),
        "async": passthru.background,
        "description": passthru.description,
        "attach": False,
    }
