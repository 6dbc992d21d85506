"""Settings of the cyclic garbage collector, whose full collections stop all threads."""

from __future__ import annotations

import gc

_THRESHOLDS = (10_000, 20, 20)
"""Allocations before a collection of the youngest generation, then collections before one of each older generation."""


def tune_garbage_collector() -> None:
    """Collect rarely, and exclude all existing objects. Call it once the service is ready.

    The objects of a request or of a BMC read are dead by the next collection with these thresholds. With the interpreter's
    defaults many are still in use then and move to the oldest generation, which triggers full collections: with 10,000 BMCs
    each takes 0.3 s, every few seconds.
    """
    gc.set_threshold(*_THRESHOLDS)
    gc.freeze()
