"""A service under load for a long time, which must not grow."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

from testtools import TestCase

from benchmarks.service import run_service
from benchmarks.service_rates import run_lifecycle

MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))
CLIENTS = 16


class LifecyclesTest(TestCase):
    """Simulated machines that are created, deployed and deleted for the whole run."""

    def test_memory_and_threads_do_not_grow(self) -> None:
        """After the first tenth of the run nothing grows by more than a quarter, and no node is left at the end."""
        with run_service() as service:
            end = time.monotonic() + 60.0 * MINUTES
            begin = time.monotonic()
            after_warmup: tuple[float, int] | None = None
            lifecycles = 0
            with ThreadPoolExecutor(CLIENTS) as threads:
                while time.monotonic() < end:
                    list(threads.map(lambda _: run_lifecycle(service), range(CLIENTS * 10)))
                    lifecycles += CLIENTS * 10
                    if after_warmup is None and time.monotonic() - begin > 6.0 * MINUTES:
                        after_warmup = (service.mebibytes, service.threads)
            self.assertEqual([], service.client.request("GET", "/v1/nodes")["nodes"])
            self.assertIsNotNone(after_warmup, f"only {lifecycles} lifecycles; set SOAK_MINUTES to a longer run")
            assert after_warmup is not None
            self.assertLess(service.mebibytes, 1.25 * after_warmup[0], f"{lifecycles} lifecycles")
            self.assertLess(service.threads, 1.25 * after_warmup[1] + 8, f"{lifecycles} lifecycles")
