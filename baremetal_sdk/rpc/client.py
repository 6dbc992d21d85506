"""How the API reaches a conductor, whatever lies between the two."""

from __future__ import annotations

from typing import Any, Protocol


class RPCClient(Protocol):
    """Calls methods that a conductor has registered. Request context and deadline of the caller travel with it by themselves.

    The deadline is that of :func:`~baremetal_sdk.context.calling_until`. What goes wrong between the two is one of
    ``Busy`` (503; come back later), ``ConductorUnreachable`` (503; it was not run), ``OutcomeUnknown`` (504; nobody knows
    whether it was run), ``DeadlineExceeded`` (504), ``UnknownRPCMethod`` and ``UnsupportedRPCVersion`` (501; not run).
    """

    def call(self, method: str, /, **arguments: Any) -> Any:
        """Call *method* and give back its result, or raise its error (of the contract's tree)."""

    def cast(self, method: str, /, **arguments: Any) -> None:
        """Hand *method* over to be run; return once it has been accepted. Raises ``Busy`` when there is no room."""
