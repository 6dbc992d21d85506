"""Behavior of RPC over oslo.messaging with RabbitMQ, and the properties of that transport."""

from __future__ import annotations

from oslo_service.backend import BackendType, init_backend

# Before the first import of oslo.messaging, as in an application.
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
from baremetal_sdk.conductor.conductor import Conductor
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
from tests.rpc import behavior, broker


@skipIf(rabbitmq.missing(), rabbitmq.missing() or "")
class OsloCase(behavior.TransportCase):
    """Base of tests with a conductor on the broker."""

    threads = 16

    def setUp(self) -> None:
        self.broker = self.get_broker()
        super().setUp()

    def get_broker(self) -> rabbitmq.RabbitMQ:
        """Return the broker to use."""
        return broker.shared()

    def config(self) -> ConductorConfig:
        """Return the configuration of a conductor on the broker."""
        return self.create_base_config(
            rpc_transport="oslo", transport_url=self.broker.url, executor_thread_pool_size=self.threads
        )

    def create_base_config(self, **changes: object) -> ConductorConfig:
        """Return a configuration with a unique conductor name, and so a unique queue."""
        return dataclasses.replace(super().create_base_config(**changes), host=f"conductor-{id(self):x}")

    def create_client(self, versions: dict[str, str]) -> RPCClient:
        """Return a client on the broker."""
        conductor = self.conductor
        client = transports.create_client(
            conductor.config, conductor.store, conductor.clock, versions, telemetry=conductor.telemetry
        )
        self.addCleanup(client.close)
        return client


class TestOslo(OsloCase, behavior.Behavior):
    pass


class TestFull(OsloCase):
    threads = 1

    def test_a_conductor_with_no_thread_left_is_busy(self) -> None:
        """A call beyond the limit fails at once as busy, with a retry time, and is not run."""
        call = self.call_in_thread(self.rpc.call, "wait")
        self.assertTrue(self.probe.entered.wait(behavior.TIMEOUT_S))
        error = self.assertRaises(Busy, self.rpc.call, "echo", value=1)
        self.assertEqual(1.0, error.retry_after)
        self.assertEqual(0, self.probe.runs)
        self.probe.release.set()
        self.assertEqual("released", call.wait().result)


class TestRestart(OsloCase):
    def test_a_restart_of_the_broker_loses_no_call_silently(self) -> None:
        """A running call is answered or fails with 504, an accepted cast is executed, and later calls succeed."""
        call = self.call_in_thread(self.rpc.call, "wait", seconds=60.0)
        self.assertTrue(self.probe.entered.wait(behavior.TIMEOUT_S))
        self.rpc.cast("remember", value="before")
        self.broker.restart()
        self.probe.release.set()
        call.wait()
        self.assertTrue(call.result == "released" or call.error.code == 504, (call.result, call.error))
        self.assertEqual(["before"], self.probe.casts)
        self.assertEqual("after", self._echo_once_connected("after"))

    def _echo_once_connected(self, value: str) -> str:
        """Repeat a call until both sides have reconnected. Until then, calls raise an error."""
        deadline = Deadline.after(90.0)
        while True:
            try:
                with calling_until(Deadline.after(10.0)):
                    return str(self.rpc.call("echo", value=value))
            except (OutcomeUnknown, DeadlineExceeded):
                deadline.check("the reconnection to the broker")


class TestSilentBroker(OsloCase):
    def test_a_call_ends_at_its_deadline(self) -> None:
        """A broker that accepts connections and answers nothing delays no call beyond its deadline."""
        self.rpc.call("echo", value="first")
        self.broker.suspend()
        self.addCleanup(self.broker.resume)
        error = self.call_in_thread(self._echo_within, 2.0).wait().error
        self.assertIsInstance(error, DeadlineExceeded)

    def _echo_within(self, seconds: float) -> None:
        with calling_until(Deadline.after(seconds)):
            self.rpc.call("echo", value="x")


class TestQueueType(OsloCase):
    def test_a_changed_queue_type_is_an_error_with_a_remedy(self) -> None:
        """A conductor whose queue exists with another type does not start. The error names queue and remedy in one line."""
        options = {"rabbit_quorum_queue": "false", "amqp_durable_queues": "true"}
        config = dataclasses.replace(self.config(), plugins={oslo_bus.SECTION: options})
        other = Conductor(config)
        error = self.assertRaises(ConfigurationError, other.start)
        self.assertRegex(error.message, rf"queue '{oslo_bus.TOPIC}.*' exists on the message bus with other properties")
        self.assertIn("rabbitmqadmin delete queue", error.message)
        self.assertNotIn("\n", error.message)


@skipIf(rabbitmq.missing(), rabbitmq.missing() or "")
class TestDeath(TestCase):
    def test_the_death_of_a_conductor_during_a_call_is_reported(self) -> None:
        """The caller learns of the missing heartbeats long before its deadline, and the outcome is unknown."""
        directory = Path(self.useFixture(TempDir()).path)
        url = broker.shared().url
        child = Child("conductor", [sys.executable, "-m", "tests.rpc.killable_conductor", url], directory)
        self.addCleanup(child.stop)
        child.wait_for_line("ready: ", 60.0)
        store, clock = MemoryStore(SystemClock()), SystemClock()
        store.register_conductor(ConductorRecord("mortal", "1"))
        config = ConductorConfig(rpc_transport="oslo", transport_url=url)
        client = transports.create_client(config, store, clock, {})
        self.addCleanup(client.close)
        call = behavior.BackgroundCall(client.call, ("wait",), {})
        child.wait_for_line("entered", behavior.TIMEOUT_S)
        child.send(signal.SIGKILL)
        self.assertIsInstance(call.wait().error, OutcomeUnknown)
        # Later calls are not sent to the silent conductor, and the caller knows when to retry.
        error = self.assertRaises(ConductorUnreachable, client.call, "wait")
        self.assertEqual(503, error.code)
        self.assertEqual(10.0, error.retry_after)


class NotificationEndpoint:
    """Endpoint that keeps the last notification."""

    def __init__(self) -> None:
        self.received = threading.Event()
        self.message: tuple[str, str, dict[str, Any]] = ("", "", {})

    def info(self, ctxt: Any, publisher_id: str, event_type: str, payload: dict[str, Any], metadata: Any) -> None:
        """Keep a notification."""
        self.message = (publisher_id, event_type, payload)
        self.received.set()


@skipIf(rabbitmq.missing(), rabbitmq.missing() or "")
class TestNotifications(TestCase):
    def test_sensor_data_reaches_consumers_on_the_bus(self) -> None:
        """A listener on the topic gets the notification unchanged, with the name of this conductor."""
        url = broker.shared().url
        sender = oslo_notifications.create_notifier(
            notification_config(driver="messagingv2", transport_url=url, topics="sensors")
        )
        endpoint = NotificationEndpoint()
        transport = oslo_messaging.get_notification_transport(oslo_bus.create_options(), url=oslo_bus.add_url_options(url, {}))
        targets = [oslo_messaging.Target(topic="sensors")]
        listener = oslo_messaging.get_notification_listener(transport, targets, [endpoint], executor="threading")
        listener.start()
        self.addCleanup(listener.wait)
        self.addCleanup(listener.stop)
        sender.info({}, "hardware.redfish.metrics", {"node_uuid": "1", "payload": {"Fan": {"Fan 1": {"reading": 7200.0}}}})
        self.assertTrue(endpoint.received.wait(behavior.TIMEOUT_S))
        publisher, event_type, payload = endpoint.message
        self.assertEqual("conductor-1", publisher)
        self.assertEqual("hardware.redfish.metrics", event_type)
        self.assertEqual(7200.0, payload["payload"]["Fan"]["Fan 1"]["reading"])


def notification_config(**section: str) -> ConductorConfig:
    """Return a configuration with sensor data and these options of notifications."""
    sensors = SensorDataConfig(send_sensor_data=True)
    return ConductorConfig(host="conductor-1", sensor_data=sensors, plugins={oslo_notifications.SECTION: section})


class TestConfiguration(TestCase):
    def test_wrong_notification_options_are_reported(self) -> None:
        """The error names section and option, and contains no password."""
        cases = {
            "driver: unknown driver 'mail'.*messagingv2": {"driver": "mail"},
            "transport_url: not set": {"driver": "messagingv2"},
            "retry: 'often' is not a number": {"driver": "log", "retry": "often"},
            "transport_url: oslo.messaging rejects it": {
                "driver": "messaging",
                "transport_url": "nonsense://u:hunter2@127.0.0.1/",
            },
        }
        for message, section in cases.items():
            error = self.assertRaises(ConfigurationError, oslo_notifications.create_notifier, notification_config(**section))
            self.assertRegex(str(error), rf"\[oslo_messaging_notifications\] {message}")
            self.assertNotIn("hunter2", str(error))

    def test_notifications_are_off_by_default(self) -> None:
        """Without sensor data, or without a driver, there is no notifier."""
        self.assertIsNone(oslo_notifications.create_notifier(notification_config()))
        self.assertIsNone(oslo_notifications.create_notifier(notification_config(driver="noop")))
        self.assertIsNone(
            oslo_notifications.create_notifier(ConductorConfig(plugins={oslo_notifications.SECTION: {"driver": "log"}}))
        )

    def test_a_wrong_url_is_reported_without_its_password(self) -> None:
        """The error names the option, and contains no secret."""
        for url in (None, "nonsense://u:hunter2@127.0.0.1/", "rabbit://u:hunter2@127.0.0.1:x/"):
            config = ConductorConfig(rpc_transport="oslo", transport_url=url)
            error = self.assertRaises(ConfigurationError, oslo_bus.create_transport, config)
            self.assertIn("[DEFAULT] transport_url", error.message)
            self.assertNotIn("hunter2", error.message)
