"""How the API reaches a conductor, whatever lies between the two."""

from __future__ import annotations

from typing import Any, Protocol


class RPCClient(Protocol):
    """Calls methods that a conductor has registered. The request context travels with the call by itself."""

    def call(self, method: str, /, **arguments: Any) -> Any:
        """Call *method* and give back its result, or raise its error (of the contract's tree)."""

    def cast(self, method: str, /, **arguments: Any) -> None:
        """Hand *method* over to be run; return once it has been accepted. Raises ``Busy`` when there is no room."""
