"""The conductor's side of a message, whatever brought it: bytes in, bytes out. It is JSON-RPC 2.0, batches included."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Any

from baremetal_interfaces import BareMetalError, Busy, Deadline
from baremetal_sdk.context import current_request
from baremetal_sdk.errors import InternalError, InvalidArguments, MessageTooLarge, UnknownRPCMethod
from baremetal_sdk.rpc import faults
from baremetal_sdk.rpc.codec import Codec, MalformedMessage, NotEncodable
from baremetal_sdk.rpc.dispatcher import Dispatcher
from baremetal_sdk.rpc.message import RPCRequest

LOG = logging.getLogger(__name__)

MAX_BATCH_SIZE = 100
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603
_CODES: tuple[tuple[type[BareMetalError], int], ...] = (
    (UnknownRPCMethod, METHOD_NOT_FOUND),
    (InvalidArguments, INVALID_PARAMS),
    (InternalError, INTERNAL_ERROR),
)


class MessageHandler:
    """Answers messages with what a dispatcher says. *clock* counts the seconds of deadlines."""

    def __init__(self, dispatcher: Dispatcher, codec: Codec, clock: Callable[[], float]) -> None:
        self._dispatcher = dispatcher
        self._codec = codec
        self._clock = clock

    def answer(self, data: bytes) -> bytes | None:
        """The answer to a message; None where nobody waits for one. It raises nothing."""
        try:
            message = self._codec.from_bytes(data)
        except MessageTooLarge as exc:
            return self._to_bytes(self._failure(None, exc))
        except MalformedMessage as exc:
            return self._to_bytes(_refusal(None, PARSE_ERROR, str(exc)))
        if not isinstance(message, list):
            one = self._answered(message)
            return None if one is None else self._to_bytes(one)
        if not 0 < len(message) <= MAX_BATCH_SIZE:
            wrong = f"a batch has 1 to {MAX_BATCH_SIZE} requests, and this one {len(message)}"
            return self._to_bytes(_refusal(None, INVALID_REQUEST, wrong))
        answers = [one for part in message if (one := self._answered(part)) is not None]
        return self._batch(answers) if answers else None

    def busy(self, data: bytes) -> bytes:
        """The answer to a message that there is no room for; it is not run."""
        try:
            ident = _ident_of(self._codec.from_bytes(data))
        except (MalformedMessage, MessageTooLarge):
            ident = None
        return self._to_bytes(self._failure(ident, Busy("the conductor has no room for a call now", retry_after=1.0)))

    def _answered(self, message: Any) -> dict[str, Any] | None:
        try:
            request = RPCRequest.load(message, self._codec)
        except MalformedMessage as exc:
            return _refusal(_ident_of(message), INVALID_REQUEST, str(exc))
        except MessageTooLarge as exc:
            return self._failure(_ident_of(message), exc)
        silent = "id" not in message
        try:
            result = self._codec.dump(self._run(request))
        except BareMetalError as exc:
            if silent:
                LOG.warning("a notification of %s failed: %s", request.method, exc)
            return None if silent else self._failure(request.ident, exc)
        except NotEncodable as exc:
            LOG.error("the result of RPC method %s cannot be sent: %s", request.method, exc)
            unsent = InternalError(f"the result of {request.method} cannot be sent; it was run")
            return None if silent else self._failure(request.ident, unsent)
        return None if silent else {"jsonrpc": "2.0", "id": request.ident, "result": result}

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

    def _failure(self, ident: Any, error: BareMetalError) -> dict[str, Any]:
        code = next((code for kind, code in _CODES if isinstance(error, kind)), error.code)
        data = faults.encode_error(error, self._codec)
        return {"jsonrpc": "2.0", "id": ident, "error": {"code": code, "message": data["message"], "data": data}}

    def _batch(self, answers: list[dict[str, Any]]) -> bytes:
        with contextlib.suppress(MessageTooLarge):
            return self._codec.to_bytes(answers)
        too_large = MessageTooLarge("the answers to the batch are too large together; ask for less at a time")
        return self._to_bytes([self._failure(one["id"], too_large) for one in answers])

    def _to_bytes(self, answer: Any) -> bytes:
        try:
            return self._codec.to_bytes(answer)
        except MessageTooLarge as exc:
            return self._codec.to_bytes(self._failure(answer["id"], MessageTooLarge(f"the answer: {exc.message}; it was run")))
        except NotEncodable:
            return self._codec.to_bytes(self._failure(answer["id"], InternalError("the answer cannot be sent; it was run")))


def _ident_of(message: Any) -> str | int | None:
    ident = message.get("id") if isinstance(message, dict) else None
    return ident if isinstance(ident, str | int) and not isinstance(ident, bool) else None


def _refusal(ident: Any, code: int, wrong: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": ident, "error": {"code": code, "message": wrong}}
