"""The behaviour of RPC by oslo.messaging on RabbitMQ, and what only that mode has."""

from __future__ import annotations

from oslo_service.backend import BackendType, init_backend

# Before anything of oslo.messaging is imported, as in an application.
init_backend(BackendType.THREADING)

import dataclasses
import signal
import sys
import threading
from pathlib import Path
from typing import Any
from unittest import skipIf

import oslo_messaging
from fixtures import TempDir
from testtools import TestCase

from baremetal_interfaces import Busy, Deadline, DeadlineExceeded
from baremetal_sdk.clock import SystemClock
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.config.sensor_data import SensorDataConfig
from baremetal_sdk.context import calling_until
from baremetal_sdk.errors import ConductorUnreachable, ConfigurationError, OutcomeUnknown
from baremetal_sdk.rpc import oslo_bus, oslo_notifications, transports
from baremetal_sdk.rpc.client import RPCClient
from baremetal_sdk.store.memory.store import MemoryStore
from baremetal_sdk.store.records.node import ConductorRecord
from metald.processes import Child
from tests.fixtures import rabbitmq
from tests.rpc import behaviour, broker


@skipIf(rabbitmq.missing(), rabbitmq.missing() or "")
class OsloMode(behaviour.Mode):
    """A conductor on a broker that it shares with nobody else."""

    threads = 16

    def setUp(self) -> None:
        self.broker = broker.shared()
        super().setUp()

    def config(self) -> ConductorConfig:
        """A queue of its own on the broker."""
        return self.base(rpc_transport="oslo", transport_url=self.broker.url, executor_thread_pool_size=self.threads)

    def base(self, **changes: object) -> ConductorConfig:
        """Each conductor has a name of its own, and so has its queue."""
        return dataclasses.replace(super().base(**changes), host=f"conductor-{id(self):x}")

    def connected(self, versions: dict[str, str]) -> RPCClient:
        """A client on the broker."""
        conductor = self.conductor
        client = transports.create_client(
            conductor.config, conductor.store, conductor.clock, versions, telemetry=conductor.telemetry
        )
        self.addCleanup(client.close)
        return client


class TestOslo(OsloMode, behaviour.Behaviour):
    pass


class TestFull(OsloMode):
    threads = 1

    def test_a_conductor_with_no_thread_left_is_busy(self) -> None:
        """A call that finds no room is refused at once and not run, with when to come back."""
        outcome = self.in_thread(self.rpc.call, "wait")
        self.assertTrue(self.probe.entered.wait(behaviour.PATIENCE))
        error = self.assertRaises(Busy, self.rpc.call, "echo", value=1)
        self.assertEqual(1.0, error.retry_after)
        self.assertEqual(0, self.probe.runs)
        self.probe.release.set()
        self.assertEqual("released", outcome.wait().result)


class TestRestart(OsloMode):
    def test_a_restart_of_the_broker_loses_no_call_silently(self) -> None:
        """A call that is worked on meanwhile is answered, what was accepted is done, and later calls find their way."""
        outcome = self.in_thread(self.rpc.call, "wait", seconds=60.0)
        self.assertTrue(self.probe.entered.wait(behaviour.PATIENCE))
        self.rpc.cast("remember", value="before")
        self.broker.restart()
        self.probe.release.set()
        ended = outcome.wait()
        self.assertTrue(ended.result == "released" or ended.error.code == 504, (ended.result, ended.error))
        self.assertEqual(["before"], self.probe.casts)
        self.assertEqual("after", self._echo_once_connected("after"))

    def _echo_once_connected(self, value: str) -> str:
        """Both sides find the broker again by themselves; until then calls fail aloud."""
        deadline = Deadline.after(90.0)
        while True:
            try:
                with calling_until(Deadline.after(10.0)):
                    return str(self.rpc.call("echo", value=value))
            except (OutcomeUnknown, DeadlineExceeded):
                deadline.check("the way back to the broker")


@skipIf(rabbitmq.missing(), rabbitmq.missing() or "")
class TestDeath(TestCase):
    def test_a_conductor_that_dies_in_the_middle_of_a_call_is_said_to_be_lost(self) -> None:
        """It gives no sign of life any more: its caller is told long before the deadline that nobody knows what became of it."""
        directory = Path(self.useFixture(TempDir()).path)
        url = broker.shared().url
        child = Child("conductor", [sys.executable, "-m", "tests.rpc.mortal", url], directory)
        self.addCleanup(child.stop)
        child.wait_for_line("ready: ", 60.0)
        store, clock = MemoryStore(SystemClock()), SystemClock()
        store.register_conductor(ConductorRecord("mortal", "1"))
        config = ConductorConfig(rpc_transport="oslo", transport_url=url)
        client = transports.create_client(config, store, clock, {})
        self.addCleanup(client.close)
        outcome = behaviour.Outcome(client.call, ("wait",), {})
        child.wait_for_line("entered", behaviour.PATIENCE)
        child.send(signal.SIGKILL)
        self.assertIsInstance(outcome.wait().error, OutcomeUnknown)
        # From then on nobody waits for it: what comes next was not run, and the caller knows when to come back.
        error = self.assertRaises(ConductorUnreachable, client.call, "wait")
        self.assertEqual((503, 10.0), (error.code, error.retry_after))


class Listener:
    """An endpoint that keeps the first notification that comes."""

    def __init__(self) -> None:
        self.heard = threading.Event()
        self.message: tuple[str, str, dict[str, Any]] = ("", "", {})

    def info(self, ctxt: Any, publisher_id: str, event_type: str, payload: dict[str, Any], metadata: Any) -> None:
        """Take a notification."""
        self.message = (publisher_id, event_type, payload)
        self.heard.set()


@skipIf(rabbitmq.missing(), rabbitmq.missing() or "")
class TestNotifications(TestCase):
    def test_sensor_data_reaches_consumers_on_the_bus(self) -> None:
        """Whoever listens on the topic gets the notification as it was made, from this conductor."""
        url = broker.shared().url
        sender = oslo_notifications.create_notifier(notifying(driver="messagingv2", transport_url=url, topics="sensors"))
        endpoint = Listener()
        transport = oslo_messaging.get_notification_transport(oslo_bus.create_options(), url=oslo_bus.add_url_options(url, {}))
        targets = [oslo_messaging.Target(topic="sensors")]
        listener = oslo_messaging.get_notification_listener(transport, targets, [endpoint], executor="threading")
        listener.start()
        self.addCleanup(listener.wait)
        self.addCleanup(listener.stop)
        sender.info({}, "hardware.redfish.metrics", {"node_uuid": "1", "payload": {"Fan": {"Fan 1": {"reading": 7200.0}}}})
        self.assertTrue(endpoint.heard.wait(behaviour.PATIENCE))
        publisher, event_type, payload = endpoint.message
        self.assertEqual(("conductor-1", "hardware.redfish.metrics"), (publisher, event_type))
        self.assertEqual(7200.0, payload["payload"]["Fan"]["Fan 1"]["reading"])


def notifying(**section: str) -> ConductorConfig:
    """A configuration with sensor data and these options of notifications."""
    sensors = SensorDataConfig(send_sensor_data=True)
    return ConductorConfig(host="conductor-1", sensor_data=sensors, plugins={oslo_notifications.SECTION: section})


class TestConfiguration(TestCase):
    def test_what_is_wrong_with_notifications_is_said_at_the_start(self) -> None:
        """By section and option; a password is not repeated."""
        cases = {
            "driver: 'mail' is not known.*messagingv2": {"driver": "mail"},
            "transport_url: is needed": {"driver": "messagingv2"},
            "retry: 'often' is not a number": {"driver": "log", "retry": "often"},
            "transport_url: it cannot be used": {"driver": "messaging", "transport_url": "nonsense://u:hunter2@127.0.0.1/"},
        }
        for message, section in cases.items():
            error = self.assertRaises(ConfigurationError, oslo_notifications.create_notifier, notifying(**section))
            self.assertRegex(str(error), rf"\[oslo_messaging_notifications\] {message}")
            self.assertNotIn("hunter2", str(error))

    def test_notifications_are_off_unless_they_are_asked_for(self) -> None:
        """Without sensor data, or without a driver, nothing is made."""
        self.assertIsNone(oslo_notifications.create_notifier(notifying()))
        self.assertIsNone(oslo_notifications.create_notifier(notifying(driver="noop")))
        self.assertIsNone(
            oslo_notifications.create_notifier(ConductorConfig(plugins={oslo_notifications.SECTION: {"driver": "log"}}))
        )

    def test_an_url_that_cannot_be_used_is_named_without_its_password(self) -> None:
        """The message names the option, and holds no secret."""
        for url in (None, "nonsense://u:hunter2@127.0.0.1/", "rabbit://u:hunter2@127.0.0.1:x/"):
            config = ConductorConfig(rpc_transport="oslo", transport_url=url)
            error = self.assertRaises(ConfigurationError, oslo_bus.create_transport, config)
            self.assertIn("[DEFAULT] transport_url", error.message)
            self.assertNotIn("hunter2", error.message)
