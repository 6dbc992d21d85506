"""A RabbitMQ broker that is killed with SIGKILL: calls succeed again by themselves, on both types of queues."""

from __future__ import annotations

import signal
import threading
from typing import ClassVar

from baremetal_interfaces import Deadline, DeadlineExceeded
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.context import calling_until
from baremetal_sdk.errors import ConductorUnreachable, OutcomeUnknown
from baremetal_sdk.rpc import oslo_bus
from tests.fixtures import rabbitmq
from tests.rpc.test_oslo import OsloCase

RECOVERY_S = 60.0
"""Maximum seconds until calls succeed again. It takes about five on an idle machine; without recovery it takes for ever."""


class TestCrash(OsloCase):
    """The broker is killed with SIGKILL, with the default options."""

    options: ClassVar[dict[str, str]] = {}

    def create_base_config(self, **changes: object) -> ConductorConfig:
        """Return a configuration with the options of this class for RabbitMQ."""
        return super().create_base_config(**changes, plugins={oslo_bus.SECTION: self.options})

    def test_calls_succeed_after_each_crash_of_the_broker(self) -> None:
        """API and conductor reconnect by themselves, also after the second crash, and the conductor stops in time."""
        self.rpc.call("echo", value="first")
        # RabbitMQ 3.10 that is killed right after the creation of a quorum queue never has a leader for that queue again.
        self.broker.restart()
        self._echo("settled")
        for crash in ("first crash", "second crash"):
            self.broker.stop(signal.SIGKILL)
            self.broker.start()
            self._echo(crash)
        self.conductor.stop(5.0)

    def _echo(self, value: str) -> None:
        deadline = Deadline.after(RECOVERY_S)
        while True:
            try:
                with calling_until(Deadline.after(15.0)):
                    self.assertEqual(value, self.rpc.call("echo", value=value))
                return
            except (OutcomeUnknown, DeadlineExceeded, ConductorUnreachable):
                deadline.check("the recovery from a crash of the broker")
                threading.Event().wait(0.2)


class TestCrashWithClassicQueues(TestCrash):
    """Queues that are lost with the broker are declared again."""

    options: ClassVar[dict[str, str]] = {"rabbit_quorum_queue": "false"}

    def get_broker(self) -> rabbitmq.RabbitMQ:
        """Return a new broker, because the queues of the shared one have another type."""
        return self.useFixture(rabbitmq.RabbitMQ())
