"""The lock for short sections that many threads enter."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from testtools import TestCase

from baremetal_sdk.concurrency.locks import YieldingLock

_TIMEOUT_S = 10.0


class TestYieldingLock(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1e-6)

    def test_one_thread_at_a_time_holds_it(self) -> None:
        """Updates of shared data by several threads under the lock are not lost."""
        lock, total = YieldingLock(), [0]

        def add() -> None:
            for _ in range(5000):
                with lock:
                    seen = total[0]
                    str(seen)
                    total[0] = seen + 1

        self.run_together([add] * 4)
        self.assertEqual(20000, total[0])

    def test_it_is_released_after_an_error(self) -> None:
        """An error in the block releases the lock and is raised."""
        lock = YieldingLock()

        def fail() -> None:
            with lock:
                raise ValueError("within")

        self.assertRaises(ValueError, fail)
        self.assertTrue(lock.acquire(blocking=False))

    def test_acquire_without_blocking(self) -> None:
        """Without blocking, ``acquire`` returns False at once if the lock is taken."""
        lock = YieldingLock()
        self.assertTrue(lock.acquire())
        self.assertFalse(lock.acquire(blocking=False))
        lock.release()
        self.assertTrue(lock.acquire(blocking=False))

    def test_a_condition_releases_the_lock_while_it_waits(self) -> None:
        """A wait for the condition releases the lock, and holds it again after the notification."""
        lock = YieldingLock()
        condition, notified = lock.condition(), []

        def notify() -> None:
            with lock:
                notified.append(True)
                condition.notify()

        with condition:
            notifier = threading.Thread(target=notify, daemon=True)
            notifier.start()
            self.assertTrue(condition.wait_for(lambda: bool(notified), _TIMEOUT_S))
            self.assertFalse(lock.acquire(blocking=False))
        notifier.join(_TIMEOUT_S)

    def run_together(self, functions: list[Callable[[], None]]) -> None:
        """Run all functions at the same time, to their end."""
        threads = [threading.Thread(target=function, daemon=True) for function in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_TIMEOUT_S)
            self.assertFalse(thread.is_alive())
