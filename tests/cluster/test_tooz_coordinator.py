"""Who lives, told by etcd: a real one."""

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

    def client(self) -> ToozCoordinator:
        made = ToozCoordinator(self.etcd.url)
        self.addCleanup(made.leave)
        return made

    def until(self, reached: Callable[[], bool], keep: Callable[[], object] = lambda: None, seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while not reached():
            self.assertLess(time.monotonic(), end)
            keep()
            threading.Event().wait(0.2)

    def test_members_join_leave_and_die(self) -> None:
        """Who leaves is gone at once; who is silent for the membership timeout is gone without a word."""
        first, second, looking = self.client(), self.client(), self.client()
        first.join("a.example/1")
        second.join("b.example/2")
        self.assertEqual({"a.example/1", "b.example/2"}, looking.members())
        self.until(lambda: looking.members() == {"a.example/1"}, first.heartbeat)
        second.heartbeat()
        self.assertEqual({"a.example/1", "b.example/2"}, looking.members())
        second.leave()
        self.assertEqual({"a.example/1"}, looking.members())

    def test_a_url_of_no_backend_is_refused(self) -> None:
        """It is said at the start, with the option's name, and without the URL: it may hold a password."""
        error = self.assertRaises(ConfigurationError, ToozCoordinator, "nothing://user:tiger@host")
        self.assertIn("[coordination] backend_url", str(error))
        self.assertNotIn("tiger", str(error))

    def test_while_it_is_away_nothing_is_known(self) -> None:
        """Callers then go by the heartbeats in the database; when it is back, members are members again."""
        first, looking = self.client(), self.client()
        first.join("a.example/1")
        self.etcd.stop()
        self.assertIsNone(looking.members())
        first.heartbeat()
        self.etcd.start()
        self.until(lambda: looking.members() == {"a.example/1"}, first.heartbeat)
