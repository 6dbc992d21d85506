"""RPC without any transport: a call is a call, in the caller's thread; a cast goes to the pool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_sdk.context import call_deadline
from baremetal_sdk.rpc.dispatcher import Dispatcher


class InProcessClient:
    """The client of a conductor in the same process. Arguments and results are handed over as they are.

    *versions* of methods are asked for where they are named; caller and conductor are of one release mostly.
    """

    def __init__(self, dispatcher: Dispatcher, versions: Mapping[str, str] | None = None) -> None:
        self._dispatcher = dispatcher
        self._versions = versions or {}

    def call(self, method: str, /, **arguments: Any) -> Any:
        """Call *method* in this thread."""
        return self._dispatcher.call(method, arguments, version=self._versions.get(method), deadline=call_deadline())

    def cast(self, method: str, /, **arguments: Any) -> None:
        """Submit *method* to the pool."""
        self._dispatcher.cast(method, arguments, version=self._versions.get(method))
