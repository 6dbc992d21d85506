"""Handler for JSON-RPC 2.0 messages that a conductor receives, including batches, for every transport."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from baremetal_interfaces import BareMetalError, Busy, Deadline
from baremetal_sdk.context import current_request
from baremetal_sdk.errors import InternalError, InvalidArguments, MessageTooLarge, UnknownRPCMethod
from baremetal_sdk.logs import get_logger
from baremetal_sdk.rpc import faults
from baremetal_sdk.rpc.codec import Codec, MalformedMessage, NotEncodable
from baremetal_sdk.rpc.dispatcher import Dispatcher
from baremetal_sdk.rpc.message import RPCRequest

LOG = get_logger(__name__)

MAX_BATCH_SIZE = 100
"""Maximum number of requests in a batch."""
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603
"""Error codes of JSON-RPC 2.0, section 5.1."""
_CODES: tuple[tuple[type[BareMetalError], int], ...] = (
    (UnknownRPCMethod, METHOD_NOT_FOUND),
    (InvalidArguments, INVALID_PARAMS),
    (InternalError, INTERNAL_ERROR),
)
"""Errors with a code of the standard. All others have their HTTP status as code."""


class MessageHandler:
    """Handler that runs the calls in received messages on a dispatcher, and builds the responses. Thread-safe.

    *clock* returns the monotonic time in seconds, for the deadlines of calls.
    """

    def __init__(self, dispatcher: Dispatcher, codec: Codec, clock: Callable[[], float]) -> None:
        self._dispatcher = dispatcher
        self._codec = codec
        self._clock = clock

    def answer(self, data: bytes) -> bytes | None:
        """Execute the requests in a message. Return the response, or None if the message contains only notifications.

        Never raises: errors of calls become error responses, and those of notifications are logged.
        """
        try:
            message = self._codec.from_bytes(data)
        except MessageTooLarge as exc:
            return self._to_bytes(self._error_response(None, exc))
        except MalformedMessage as exc:
            return self._to_bytes(_protocol_error(None, PARSE_ERROR, str(exc)))
        if not isinstance(message, list):
            response = self._process(message)
            return None if response is None else self._to_bytes(response)
        if not 0 < len(message) <= MAX_BATCH_SIZE:
            wrong = f"a batch of {len(message)} requests is not allowed; send 1 to {MAX_BATCH_SIZE}"
            return self._to_bytes(_protocol_error(None, INVALID_REQUEST, wrong))
        responses = [response for part in message if (response := self._process(part)) is not None]
        return self._batch_to_bytes(responses) if responses else None

    def busy(self, data: bytes) -> bytes:
        """Return the response to a message that is rejected without execution because all threads are occupied."""
        try:
            ident = _find_ident(self._codec.from_bytes(data))
        except (MalformedMessage, MessageTooLarge):
            ident = None
        error = "the call was not executed: the conductor is at its limit of calls"
        return self._to_bytes(self._error_response(ident, Busy(error, retry_after=1.0)))

    def _process(self, message: Any) -> dict[str, Any] | None:
        try:
            request = RPCRequest.load(message, self._codec)
        except MalformedMessage as exc:
            return _protocol_error(_find_ident(message), INVALID_REQUEST, str(exc))
        except MessageTooLarge as exc:
            return self._error_response(_find_ident(message), exc)
        is_notification = "id" not in message
        try:
            result = self._codec.dump(self._run(request))
        except BareMetalError as exc:
            if is_notification:
                LOG.warning("notification %s failed: %s", request.method, exc)
            return None if is_notification else self._error_response(request.ident, exc)
        except NotEncodable as exc:
            # The caller must learn that the method was executed: a retry would execute it again.
            LOG.error("cannot send the result of RPC method %s: %s", request.method, exc)
            unsent = InternalError(f"{request.method} was executed, but its result cannot be sent; see the conductor's log")
            return None if is_notification else self._error_response(request.ident, unsent)
        return None if is_notification else {"jsonrpc": "2.0", "id": request.ident, "result": result}

    def _run(self, request: RPCRequest) -> Any:
        deadline = None if request.timeout is None else Deadline.after(request.timeout, self._clock)
        token = current_request.set(request.context)
        try:
            with self._dispatcher.telemetry.continue_trace(request.trace):
                if request.cast:
                    self._dispatcher.cast(request.method, request.arguments, version=request.version)
                    return None
                return self._dispatcher.call(request.method, request.arguments, version=request.version, deadline=deadline)
        finally:
            current_request.reset(token)

    def _error_response(self, ident: Any, error: BareMetalError) -> dict[str, Any]:
        code = next((code for kind, code in _CODES if isinstance(error, kind)), error.code)
        data = faults.encode_error(error, self._codec)
        return {"jsonrpc": "2.0", "id": ident, "error": {"code": code, "message": data["message"], "data": data}}

    def _batch_to_bytes(self, responses: list[dict[str, Any]]) -> bytes:
        with contextlib.suppress(MessageTooLarge):
            return self._codec.to_bytes(responses)
        too_large = MessageTooLarge("the responses to the batch are too large together; send smaller batches")
        return self._to_bytes([self._error_response(response["id"], too_large) for response in responses])

    def _to_bytes(self, response: Any) -> bytes:
        try:
            return self._codec.to_bytes(response)
        except MessageTooLarge as exc:
            error: BareMetalError = MessageTooLarge(f"the call was executed, but its response is too large: {exc.message}")
        except NotEncodable:
            error = InternalError("the call was executed, but its response cannot be sent")
        return self._codec.to_bytes(self._error_response(response["id"], error))


def _find_ident(message: Any) -> str | int | None:
    """Return the id of a message that may be malformed, so that the caller can match the error."""
    ident = message.get("id") if isinstance(message, dict) else None
    return ident if isinstance(ident, str | int) and not isinstance(ident, bool) else None


def _protocol_error(ident: Any, code: int, wrong: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": ident, "error": {"code": code, "message": wrong}}
