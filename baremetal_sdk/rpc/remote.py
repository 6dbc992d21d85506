"""RPC client for conductors in other processes, for every transport."""

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
    """Transport that sends messages to conductors and returns their responses."""

    def exchange(self, conductor: ConductorRecord, data: bytes, deadline: Deadline) -> bytes:
        """Send *data* to the conductor and return its response.

        Raises ``ConductorUnreachable`` only if the message was certainly not processed, and ``OutcomeUnknown`` otherwise.
        Raises ``Busy`` if the conductor rejects the message for lack of capacity, and ``DeadlineExceeded``.
        """

    def close(self) -> None:
        """Close all connections. Calls that wait for a response fail at once."""


class RemoteClient:
    """RPC client that sends each call to the conductor that *router* chooses. Thread-safe.

    *versions* has the version of each method that this process needs. *timeout* is in seconds and applies to calls without a
    deadline of the caller. *clock* returns the monotonic time in seconds. A call that a conductor certainly did not execute is
    sent once more if the router then chooses another conductor.
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
        """Call *method* of a conductor and return its result, or raise its error."""
        with self._telemetry.begin(Work.RPC_CALL, {"side": "client", "method": method}):
            return self._send(method, arguments, cast=False)

    def cast(self, method: str, /, **arguments: Any) -> None:
        """Submit *method* to a conductor, and return once the conductor has accepted it. Its result is not returned."""
        with self._telemetry.begin(Work.RPC_CALL, {"side": "client", "method": method}):
            self._send(method, arguments, cast=True)

    def close(self) -> None:
        """Close all connections. Calls that wait for a response fail at once."""
        self._transport.close()

    def _send(self, method: str, arguments: dict[str, Any], *, cast: bool) -> Any:
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
            raise InvalidArguments(f"cannot send the arguments of {method}: {exc}") from None
        conductor = self._router.choose(method, arguments)
        try:
            return self._parse_response(request, self._exchange(conductor, data, deadline))
        except (ConductorUnreachable, Busy):
            # Only these errors guarantee that the method was not executed, so only they are retried, once. Meanwhile, another
            # conductor may have become responsible, or the same host may run a new incarnation at another address.
            other = self._router.choose(method, arguments, fresh=True)
            if (other.hostname, other.incarnation) == (conductor.hostname, conductor.incarnation):
                raise
        return self._parse_response(request, self._exchange(other, data, deadline))

    def _exchange(self, conductor: ConductorRecord, data: bytes, deadline: Deadline) -> bytes:
        try:
            return self._transport.exchange(conductor, data, deadline)
        except (ConductorUnreachable, OutcomeUnknown) as exc:
            self._router.report_failure(conductor, silent=isinstance(exc, ConductorSilent))
            raise

    def _parse_response(self, request: RPCRequest, data: bytes) -> Any:
        try:
            response = self._codec.from_bytes(data)
            if not isinstance(response, dict):
                raise MalformedMessage("it is not an object")
            if response.get("id") not in (request.ident, None):
                raise MalformedMessage("it belongs to another call")
            if "error" in response:
                raise self._decode_error(response["error"])
            return self._codec.load(response["result"])
        except (MalformedMessage, KeyError, AttributeError) as exc:
            # The conductor answered, so the method may have been executed, whatever the answer says.
            raise OutcomeUnknown(f"cannot read the conductor's response to {request.method}: {exc}") from None

    def _decode_error(self, error: Mapping[str, Any]) -> BareMetalError:
        data = error.get("data")
        if not isinstance(data, dict):
            return BareMetalError(f"the conductor rejected the message: {str(error.get('message'))[:256]}")
        return faults.decode_error(data, self._codec)


def no_response_error(deadline: Deadline, operation: str) -> BareMetalError:
    """Return the error for a message that was sent and got no response. The call may have been executed.

    It is ``DeadlineExceeded`` if the time is over, and ``OutcomeUnknown`` if the connection was lost earlier.
    """
    if deadline.expired:
        return DeadlineExceeded(f"{operation} timed out; the call may have been executed, so check its effect before a retry")
    return OutcomeUnknown(
        f"the connection was lost during {operation}; the call may have been executed, so check its effect before a retry"
    )
