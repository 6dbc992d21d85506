"""What a driver does with a secret, by mistake, reaches neither clients nor the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from fixtures import FakeLogger

from baremetal_interfaces import (
    BareMetalError,
    DriverError,
    DriverInfo,
    HardwareType,
    InvalidInput,
    PowerInterface,
    PowerState,
    Problem,
    Task,
    option,
)
from baremetal_interfaces.values import Kind
from baremetal_sdk import Conductor
from baremetal_sdk.drivers.loader import Plugins, discover
from baremetal_sdk.observability.redaction import RedactingFilter
from baremetal_sdk.store.records.hardware import NodeHistoryRecord
from baremetal_sdk.store.records.query import Query
from baremetal_sdk.testing import settle
from tests.fixtures.machines import MachinesCase

SECRET = "s3same-SECRET-9f2"
LOG = logging.getLogger("leaky.plugin")


@dataclass(frozen=True)
class LeakyInfo(DriverInfo):
    """How the machine is reached."""

    leaky_pin: str = option("PIN of the machine's controller. The name of the option does not look like a secret.", secret=True)
    leaky_check: bool = option("Whether the check of the options fails.", default=False)

    def check(self) -> Iterable[Problem]:
        """Name the secret."""
        if self.leaky_check:
            yield Problem("driver_info/leaky_pin", f"{self.leaky_pin!r} is not a PIN", "4 digits")


def _raise(error: BaseException) -> Any:
    raise error


def _noted(secret: str) -> Any:
    error = RuntimeError("x")
    error.add_note(secret)
    raise error


def _chained(secret: str) -> Any:
    try:
        raise ValueError({"headers": {"X-Pin": secret}})
    except ValueError as exc:
        raise DriverError("could not switch it") from exc


def _group(secret: str) -> Any:
    raise ExceptionGroup("both failed", [ValueError(secret), KeyError(secret)])


def _logged(secret: str) -> Any:
    LOG.warning("using %s", secret)
    try:
        raise ValueError(secret)
    except ValueError:
        LOG.exception("failed with %r", {"pin": secret})
    raise DriverError("see the log")


LEAKS: dict[str, Callable[[str], Any]] = {
    "foreign error": lambda secret: _raise(RuntimeError(f"cannot use {secret}")),
    "key error": lambda secret: _raise(KeyError(secret)),
    "decoding error": lambda secret: _raise(UnicodeDecodeError("ascii", secret.encode(), 0, 1, secret)),
    "problem": lambda secret: _raise(InvalidInput([Problem("driver_info/leaky_pin", f"{secret!r} is short", secret)])),
    "details": lambda secret: _raise(DriverError(f"no: {secret}", pins=[secret], nested={secret: {"u": [secret]}})),
    "note": _noted,
    "chain": _chained,
    "group": _group,
    "log": _logged,
}
"""Mistakes by name. Each is called with the secret."""
_leak: list[Callable[[str], Any]] = []


class LeakyPower(PowerInterface):
    """Makes the mistake in ``_leak``."""

    info_type = LeakyInfo
    supported_states = frozenset({PowerState.ON, PowerState.OFF})

    def validate(self, task: Task) -> None:
        self._make_mistake(task)

    def get_power_state(self, task: Task) -> PowerState:
        self._make_mistake(task)
        return PowerState.OFF

    def set_power_state(self, task: Task, state: PowerState) -> None:
        self._make_mistake(task)

    def _make_mistake(self, task: Task) -> None:
        _leak[0](task.info("power").leaky_pin)


class LeakyHardware(HardwareType):
    """A machine whose plugin talks too much."""

    power = ("leaky",)
    management = ("noop",)


class SecretsOfDriversTest(MachinesCase):
    """A conductor with a plugin that makes mistakes with its secret."""

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(FakeLogger(level=logging.DEBUG))
        # The fixture has replaced the handlers of the root logger by its own one.
        [handler] = logging.getLogger().handlers
        handler.addFilter(RedactingFilter())
        plugins: Plugins = discover()
        plugins.hardware_types["leaky"] = LeakyHardware
        plugins.interfaces[Kind.POWER]["leaky"] = LeakyPower
        self.runtime: Conductor = self.conductor(handed_in={"plugins": plugins})

    def create(self, **info: Any) -> str:
        values = {"driver": "leaky", "driver_info": {"leaky_pin": SECRET, **info}}
        return str(self.runtime.rpc.call("create_node", values=values).uuid)

    def shown(self, node: str) -> str:
        """Return what clients see after the mistake: validation, errors, the node and its history."""
        seen: list[Any] = [self.runtime.rpc.call("validate_node", node=node)]
        for method, arguments in (("change_power_state", {"target": "power on"}), ("change_provision_state", {"verb": "manage"})):
            try:
                seen.append(self.runtime.rpc.call(method, node=node, **arguments))
            except BareMetalError as exc:
                seen.append(vars(exc))
        settle(self.runtime)
        seen.append(self.runtime.store.node(node))
        seen.append(self.runtime.store.records(NodeHistoryRecord, Query(where={"node_uuid": node})))
        with self.runtime.acquire(node, purpose="a test") as task:
            try:
                task.call("power", "get_power_state")
            except BareMetalError as exc:
                seen.append((str(exc), exc.args, vars(exc), getattr(exc, "__notes__", ()), exc.__cause__, exc.__context__))
        return repr(seen)

    def test_no_mistake_of_a_driver_shows_its_secret(self) -> None:
        """Whatever a driver raises or logs, the secret is in no answer, stored text, error of a task, or line of the log."""
        for name, leak in LEAKS.items():
            _leak[:] = [leak]
            self.assertNotIn(SECRET, self.shown(self.create()), name)
            self.assertNotIn(SECRET, self.log.output, name)

    def test_check_of_the_options_does_not_show_the_secret(self) -> None:
        """The problem that ``DriverInfo.check()`` reports is redacted, and the rest of its text is shown."""
        _leak[:] = [lambda secret: None]
        shown = self.shown(self.create(leaky_check=True))
        self.assertNotIn(SECRET, shown + self.log.output)
        self.assertIn("is not a PIN", shown)
