"""RPC without any transport: a call is a call, in the caller's thread; a cast goes to the pool."""

from __future__ import annotations

import logging
from concurrent.futures import Executor, Future
from typing import Any

from baremetal_sdk.rpc.registry import Registry

LOG = logging.getLogger(__name__)


class InProcess:
    """The client of a conductor in the same process."""

    def __init__(self, registry: Registry, executor: Executor) -> None:
        self._registry = registry
        self._executor = executor

    def call(self, method: str, /, **arguments: Any) -> Any:
        """Call *method* in this thread."""
        return self._registry[method].function(**arguments)

    def cast(self, method: str, /, **arguments: Any) -> None:
        """Submit *method* to the pool; what it raises is logged, as there is nobody to tell."""
        function = self._registry[method].function

        def log(future: Future[Any]) -> None:
            if not future.cancelled() and (error := future.exception()) is not None:
                LOG.error("cast of %s failed: %s", method, error, exc_info=error)

        self._executor.submit(function, **arguments).add_done_callback(log)
