"""RPC client for a conductor in the same process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_sdk.context import call_deadline
from baremetal_sdk.rpc.dispatcher import Dispatcher


class InProcessClient:
    """RPC client that calls the dispatcher directly, without encoding arguments and results.

    *versions* has the required version of each method. It is usually empty, because both sides are of the same release.
    """

    def __init__(self, dispatcher: Dispatcher, versions: Mapping[str, str] | None = None) -> None:
        self._dispatcher = dispatcher
        self._versions = versions or {}

    def call(self, method: str, /, **arguments: Any) -> Any:
        """Call *method* in this thread, with the caller's deadline, and return its result."""
        return self._dispatcher.call(method, arguments, version=self._versions.get(method), deadline=call_deadline())

    def cast(self, method: str, /, **arguments: Any) -> None:
        """Submit *method* to the executor of the dispatcher and return at once. Errors of the method are logged."""
        self._dispatcher.cast(method, arguments, version=self._versions.get(method))
