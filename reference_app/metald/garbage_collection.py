"""Settings of Python's cyclic garbage collector for metald, because full collections stop all threads."""

from __future__ import annotations

import gc

_THRESHOLDS = (10_000, 20, 20)
"""Allocations before a collection of the youngest generation, then numbers of collections before one of each older generation."""


def tune_garbage_collector() -> None:
    """Make garbage collections rare, and exclude all present objects from them. Call it when the service is ready.

    With these thresholds, the objects of a request or of a BMC read are dead by the next collection. With the interpreter's
    defaults, many are still in use then and move to the oldest generation, which triggers full collections. With 10,000
    BMCs, each full collection takes 0.3 s, every few seconds.
    """
    gc.set_threshold(*_THRESHOLDS)
    gc.freeze()
