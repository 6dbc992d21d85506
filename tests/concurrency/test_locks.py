"""The lock of what many threads enter all the time."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from testtools import TestCase

from baremetal_sdk.concurrency.locks import YieldingLock

_BOUND = 10.0


class TestConvoyFreeLock(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1e-6)

    def test_one_thread_at_a_time_has_it(self) -> None:
        """What is read and written within it by several threads is never lost."""
        lock, total = YieldingLock(), [0]

        def add() -> None:
            for _ in range(5000):
                with lock:
                    seen = total[0]
                    str(seen)
                    total[0] = seen + 1

        self.together([add] * 4)
        self.assertEqual(20000, total[0])

    def test_it_is_free_after_an_error(self) -> None:
        """An error within it leaves it, and goes on."""
        lock = YieldingLock()

        def fail() -> None:
            with lock:
                raise ValueError("within")

        self.assertRaises(ValueError, fail)
        self.assertTrue(lock.acquire(blocking=False))

    def test_it_need_not_be_waited_for(self) -> None:
        """Where somebody has it, who does not want to wait is told so at once."""
        lock = YieldingLock()
        self.assertTrue(lock.acquire())
        self.assertFalse(lock.acquire(blocking=False))
        lock.release()
        self.assertTrue(lock.acquire(blocking=False))

    def test_its_condition_is_waited_for(self) -> None:
        """Who waits for its condition lets others have the lock, and has it again when told."""
        lock = YieldingLock()
        condition, come = lock.condition(), []

        def tell() -> None:
            with lock:
                come.append(True)
                condition.notify()

        with condition:
            teller = threading.Thread(target=tell, daemon=True)
            teller.start()
            self.assertTrue(condition.wait_for(lambda: bool(come), _BOUND))
            self.assertFalse(lock.acquire(blocking=False))
        teller.join(_BOUND)

    def together(self, functions: list[Callable[[], None]]) -> None:
        """Run all of them at once, to their end."""
        threads = [threading.Thread(target=function, daemon=True) for function in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_BOUND)
            self.assertFalse(thread.is_alive())
