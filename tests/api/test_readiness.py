"""Readiness of the store in bounded time."""

from __future__ import annotations

import threading
from typing import Any

from testtools import TestCase

from baremetal_sdk.api.framework.readiness import StoreCheck
from baremetal_sdk.errors import StoreFull, StoreUnavailable
from baremetal_sdk.store import MemoryStore


class SilentStore(MemoryStore):
    """A store that does not answer until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.released = threading.Event()

    def conductors(self) -> Any:
        self.reads += 1
        self.released.wait()
        return super().conductors()


class StoreCheckTest(TestCase):
    """The check behind ``/readyz``."""

    def test_a_silent_store_is_not_ready_and_holds_one_thread(self) -> None:
        """Each check of a store that does not answer ends with an error, and all of them share one read."""
        store, check = SilentStore(), StoreCheck()
        self.addCleanup(store.released.set)
        for _ in range(3):
            self.assertIn("does not answer", str(self.assertRaises(StoreUnavailable, check.run, store)))
        self.assertEqual(1, store.reads)

    def test_a_known_problem_is_reported_without_a_read(self) -> None:
        """A store that knows that it is full is not asked."""
        store = SilentStore()
        store.problem = StoreFull("no space")  # type: ignore[attr-defined]
        self.assertRaises(StoreFull, StoreCheck().run, store)
        self.assertEqual(0, store.reads)

    def test_a_store_that_answers_is_ready(self) -> None:
        """The check of a store that answers returns, each time with a new read."""
        store, check = SilentStore(), StoreCheck()
        store.released.set()
        check.run(store)
        check.run(store)
        self.assertEqual(2, store.reads)
