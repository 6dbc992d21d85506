"""Cluster membership through a real etcd."""

from __future__ import annotations

import threading
import time
import unittest
from collections.abc import Callable

from testtools import TestCase

from baremetal_sdk.cluster.tooz_coordinator import ToozCoordinator
from baremetal_sdk.errors import ConfigurationError
from tests.fixtures import etcd


@unittest.skipIf(etcd.missing(), etcd.missing() or "")
class TestEtcd(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.etcd = self.useFixture(etcd.Etcd())

    def create_client(self) -> ToozCoordinator:
        """Return a client that leaves the group after the test."""
        client = ToozCoordinator(self.etcd.url)
        self.addCleanup(client.leave)
        return client

    def wait_until(self, reached: Callable[[], bool], keep: Callable[[], object] = lambda: None, seconds: float = 20.0) -> None:
        """Wait until *reached* returns true, and call *keep* meanwhile."""
        end = time.monotonic() + seconds
        while not reached():
            self.assertLess(time.monotonic(), end)
            keep()
            threading.Event().wait(0.2)

    def test_members_join_leave_and_die(self) -> None:
        """A member that leaves is removed at once, and a silent member after the membership timeout."""
        first, second, reader = self.create_client(), self.create_client(), self.create_client()
        first.join("a.example/1")
        second.join("b.example/2")
        self.assertEqual({"a.example/1", "b.example/2"}, reader.members())
        self.wait_until(lambda: reader.members() == {"a.example/1"}, first.heartbeat)
        second.heartbeat()
        self.assertEqual({"a.example/1", "b.example/2"}, reader.members())
        second.leave()
        self.assertEqual({"a.example/1"}, reader.members())

    def test_a_url_without_a_backend_is_rejected(self) -> None:
        """The error names the option and does not contain the URL, which may have a password."""
        error = self.assertRaises(ConfigurationError, ToozCoordinator, "nothing://user:tiger@host")
        self.assertIn("[coordination] backend_url", str(error))
        self.assertNotIn("tiger", str(error))

    def test_an_unreachable_backend_returns_no_members(self) -> None:
        """While etcd is down, the members are unknown. When it is back, the members join again."""
        first, reader = self.create_client(), self.create_client()
        first.join("a.example/1")
        self.etcd.stop()
        self.assertIsNone(reader.members())
        first.heartbeat()
        self.etcd.start()
        self.wait_until(lambda: reader.members() == {"a.example/1"}, first.heartbeat)
