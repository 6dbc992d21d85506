"""The client of a conductor in another process, whatever carries its messages."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from baremetal_interfaces import BareMetalError, Busy, Deadline, DeadlineExceeded
from baremetal_sdk.context import call_deadline, current_request
from baremetal_sdk.errors import ConductorSilent, ConductorUnreachable, InvalidArguments, OutcomeUnknown
from baremetal_sdk.observability.telemetry import Telemetry, Work
from baremetal_sdk.rpc import faults
from baremetal_sdk.rpc.codec import Codec, MalformedMessage, NotEncodable
from baremetal_sdk.rpc.message import RPCRequest
from baremetal_sdk.rpc.routing import Router
from baremetal_sdk.store.records.node import ConductorRecord


class MessageTransport(Protocol):
    """Brings a message to a conductor and its answer back."""

    def exchange(self, conductor: ConductorRecord, data: bytes, deadline: Deadline) -> bytes:
        """The answer to *data*, by the deadline.

        Raises ``ConductorUnreachable`` only when the message cannot have been acted on, else ``OutcomeUnknown``; ``Busy``
        when the conductor has no room; ``DeadlineExceeded``.
        """

    def close(self) -> None:
        """Give connections back; whoever waits is answered at once."""


class RemoteClient:
    """Calls conductors that *router* chooses. *versions* are the versions of the methods that this process knows.

    *timeout* is in seconds, for calls whose caller gives no deadline.
    """

    def __init__(
        self,
        transport: MessageTransport,
        router: Router,
        codec: Codec,
        *,
        versions: Mapping[str, str],
        timeout: float,
        clock: Callable[[], float],
        telemetry: Telemetry | None = None,
    ) -> None:
        self._telemetry = telemetry or Telemetry()
        self._transport = transport
        self._router = router
        self._codec = codec
        self._versions = versions
        self._timeout = timeout
        self._clock = clock
        self._idents = itertools.count(1)

    def call(self, method: str, /, **arguments: Any) -> Any:
        """Call *method* of a conductor."""
        with self._telemetry.begin(Work.RPC_CALL, {"side": "client", "method": method}):
            return self._asked(method, arguments, cast=False)

    def cast(self, method: str, /, **arguments: Any) -> None:
        """Have a conductor accept *method*."""
        with self._telemetry.begin(Work.RPC_CALL, {"side": "client", "method": method}):
            self._asked(method, arguments, cast=True)

    def close(self) -> None:
        """Give connections back."""
        self._transport.close()

    def _asked(self, method: str, arguments: dict[str, Any], *, cast: bool) -> Any:
        given = call_deadline()
        deadline = Deadline.after(self._timeout if given is None else given.remaining(), self._clock)
        deadline.check(f"RPC method {method}")
        request = RPCRequest(
            method=method,
            arguments=arguments,
            ident=next(self._idents),
            cast=cast,
            version=self._versions.get(method),
            timeout=deadline.remaining(),
            context=current_request.get(),
            trace=self._telemetry.current_trace(),
        )
        try:
            data = self._codec.to_bytes(request.dump(self._codec))
        except NotEncodable as exc:
            raise InvalidArguments(f"the arguments of {method} cannot be sent: {exc}") from None
        conductor = self._router.choose(method, arguments)
        try:
            return self._result(request, self._exchanged(conductor, data, deadline))
        except (ConductorUnreachable, Busy):
            # It was not run. Somebody else may do it by now, or the same one from another address.
            other = self._router.choose(method, arguments, fresh=True)
            if (other.hostname, other.incarnation) == (conductor.hostname, conductor.incarnation):
                raise
        return self._result(request, self._exchanged(other, data, deadline))

    def _exchanged(self, conductor: ConductorRecord, data: bytes, deadline: Deadline) -> bytes:
        try:
            return self._transport.exchange(conductor, data, deadline)
        except (ConductorUnreachable, OutcomeUnknown) as exc:
            self._router.report_failure(conductor, silent=isinstance(exc, ConductorSilent))
            raise

    def _result(self, request: RPCRequest, data: bytes) -> Any:
        try:
            answer = self._codec.from_bytes(data)
            if not isinstance(answer, dict) or answer.get("id") not in (request.ident, None):
                raise MalformedMessage("it is not for this call")
            if "error" in answer:
                raise self._error(answer["error"])
            return self._codec.load(answer["result"])
        except (MalformedMessage, KeyError, AttributeError) as exc:
            raise OutcomeUnknown(f"the conductor's answer to {request.method} cannot be read: {exc}") from None

    def _error(self, error: Mapping[str, Any]) -> BareMetalError:
        data = error.get("data")
        if not isinstance(data, dict):
            return BareMetalError(f"the conductor refused the message: {str(error.get('message'))[:256]}")
        return faults.decode_error(data, self._codec)


def no_response_error(deadline: Deadline, doing: str) -> BareMetalError:
    """The error for a message that was sent and has no answer: the time is over, or the conductor was lost before that."""
    if deadline.expired:
        return DeadlineExceeded(f"the time for {doing} is over; whether it was run is not known")
    return OutcomeUnknown(f"the conductor was lost during {doing}; whether it was run is not known")
