"""The elastic pool under random operations from many threads.

``POOL_STRESS_SECONDS`` sets how long (default 2), ``POOL_STRESS_SEED`` repeats a run: the seed is printed.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from concurrent.futures import CancelledError
from typing import Any

from testtools import TestCase
from testtools.content import text_content

from baremetal_sdk.concurrency.pool import ElasticPool, LaneLimits, PoolFuture
from baremetal_sdk.errors import NoFreeWorker

SECONDS = float(os.environ.get("POOL_STRESS_SECONDS", "2"))
SEED = int(os.environ.get("POOL_STRESS_SEED", random.SystemRandom().randrange(2**32)))
CLIENTS = 6
LANES = {
    "a": LaneLimits(reserved=2, queue=100),
    "b": LaneLimits(reserved=1, cap=20, queue=500),
    "c": LaneLimits(cap=5, queue=50),
}


class Client(threading.Thread):
    """A thread that submits, cancels, resizes and shrinks at random."""

    def __init__(self, pool: ElasticPool, seed: int, until: float) -> None:
        super().__init__(daemon=True)
        self.futures: list[PoolFuture[Any]] = []
        self.refused = 0
        self._pool, self._random, self._until = pool, random.Random(seed), until

    def run(self) -> None:
        while time.monotonic() < self._until:
            self._random.choices((self._submit, self._cancel, self._resize, self._pool.shrink), (90, 5, 1, 4))[0]()

    def _submit(self) -> None:
        lane = self._random.choice(("a", "b", "c"))
        task = self._random.choices((int, self._raise, self._exit, self._work, self._nest), (60, 10, 2, 20, 8))[0]
        try:
            self.futures.append(self._pool[lane].submit(task))
        except NoFreeWorker:
            self.refused += 1

    def _cancel(self) -> None:
        if self.futures:
            self.futures[-1].cancel()

    def _resize(self) -> None:
        self._pool.resize(self._random.randrange(4, 40), {"c": LaneLimits(cap=self._random.randrange(1, 10), queue=50)})

    def _raise(self) -> None:
        raise ValueError("wanted")

    def _exit(self) -> None:
        raise SystemExit

    def _work(self) -> None:
        # Long enough that other tasks overtake this one.
        threading.Event().wait(0.001)

    def _nest(self) -> None:
        with contextlib.suppress(NoFreeWorker):
            self._pool["b"].submit(int).cancel()


class TestStress(TestCase):
    def setUp(self) -> None:
        super().setUp()
        print(f"POOL_STRESS_SEED={SEED}", flush=True)
        self.addDetail("seed", text_content(str(SEED)))

    def test_pools_that_are_closed_under_load_settle_everything(self) -> None:
        """Pools that are closed under load, in all ways, settle all accepted work and leave no thread."""
        plan = random.Random(SEED)
        until = time.monotonic() + SECONDS
        rounds = 0
        while time.monotonic() < until or not rounds:
            rounds += 1
            pool = ElasticPool(8, LANES, idle_window=0.02, name=f"closing-{rounds}")
            clients = [Client(pool, plan.randrange(2**32), time.monotonic() + 0.05) for _ in range(CLIENTS)]
            for client in clients:
                client.start()
            threading.Event().wait(plan.uniform(0.0, 0.06))
            closers = [
                threading.Thread(target=pool.close, args=(plan.choice((0.0, 0.01, 30.0)),), kwargs={"cancel_queued": at_once})
                for at_once in plan.choices((True, False), k=2)
            ]
            for closer in closers:
                closer.start()
            for thread in (*closers, *clients):
                thread.join(30)
                self.assertFalse(thread.is_alive())
            for client in clients:
                for future in client.futures:
                    self.outcome(future)
            self.assertTrue(pool.drain(30))
            seen = [lane.statistics for lane in pool.lanes.values()]
            self.assertEqual((0, 0), (sum(lane.busy for lane in seen), sum(lane.queued for lane in seen)))
            self.assert_no_worker_left(pool)
        self.addDetail("rounds", text_content(str(rounds)))

    def test_every_future_settles_and_counts_add_up(self) -> None:
        """Under random load every accepted task ends, no worker is lost, and the statistics add up."""
        pool = ElasticPool(20, LANES, idle_window=0.05)
        clients = [Client(pool, SEED + number, time.monotonic() + SECONDS) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(SECONDS + 30)
            self.assertFalse(client.is_alive())
        self.assertTrue(pool.drain(30))
        outcomes = [self.outcome(future) for client in clients for future in client.futures]
        self.assertGreater(outcomes.count("result"), 0)
        seen = [lane.statistics for lane in pool.lanes.values()]
        self.assertEqual((0, 0), (sum(lane.busy for lane in seen), sum(lane.queued for lane in seen)))
        self.assertEqual(0, pool["a"].submit(int).result(10))
        self.assertLessEqual(pool.workers, pool.max_workers)
        accepted = sum(len(client.futures) for client in clients)
        self.assertGreaterEqual(sum(lane.executed + lane.cancelled for lane in seen), accepted)
        self.assertEqual([], pool.close(10))
        self.assertEqual(0, pool.workers)

    def assert_no_worker_left(self, pool: ElasticPool) -> None:
        """Check that all workers end. A worker that was being woken needs a moment to find no work."""
        bound = time.monotonic() + 10
        while pool.workers and time.monotonic() < bound:
            threading.Event().wait(0.001)
        self.assertEqual(0, pool.workers)

    def outcome(self, future: PoolFuture[Any]) -> str:
        self.assertTrue(future.done())
        try:
            return "result" if future.exception(0) is None else "exception"
        except CancelledError:
            return "cancelled"
