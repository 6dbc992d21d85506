"""Interface of clients that call RPC methods of conductors, for every transport."""

from __future__ import annotations

from typing import Any, Protocol


class RPCClient(Protocol):
    """Caller of the registered methods of conductors.

    The request context and the deadline of the caller (:func:`~baremetal_sdk.context.calling_until`) travel with each call.
    Errors of the call itself:

    * ``Busy`` (503), ``ConductorUnreachable`` (503), ``UnknownRPCMethod`` and ``UnsupportedRPCVersion`` (501): the method was
      not executed.
    * ``OutcomeUnknown`` (504) and ``DeadlineExceeded`` (504): the method may have been executed.
    """

    def call(self, method: str, /, **arguments: Any) -> Any:
        """Call *method* and return its result, or raise its error (a ``BareMetalError``)."""

    def cast(self, method: str, /, **arguments: Any) -> None:
        """Submit *method* for execution and return once it is accepted. Its result and its errors are not returned.

        Raises ``Busy`` if the queue is full.
        """
