"""A service at work for a long time: it neither grows nor forgets."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

from testtools import TestCase

from benchmarks.service import running
from benchmarks.service_rates import live

MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))
CLIENTS = 16


class LivesTest(TestCase):
    """Simulated machines that come and go, for as long as the run lasts."""

    def test_memory_and_threads_stay_where_they_were(self) -> None:
        """After the first tenth of the run nothing grows by more than a quarter, and no node is left at the end."""
        with running() as service:
            end = time.monotonic() + 60.0 * MINUTES
            begin = time.monotonic()
            warm: tuple[float, int] | None = None
            lives = 0
            with ThreadPoolExecutor(CLIENTS) as threads:
                while time.monotonic() < end:
                    list(threads.map(lambda _: live(service), range(CLIENTS * 10)))
                    lives += CLIENTS * 10
                    if warm is None and time.monotonic() - begin > 6.0 * MINUTES:
                        warm = (service.mebibytes, service.threads)
            self.assertEqual([], service.client.request("GET", "/v1/nodes")["nodes"])
            self.assertIsNotNone(warm, f"only {lives} lives: make it longer")
            assert warm is not None
            self.assertLess(service.mebibytes, 1.25 * warm[0], f"{lives} lives")
            self.assertLess(service.threads, 1.25 * warm[1] + 8, f"{lives} lives")
