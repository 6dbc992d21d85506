"""Client side of the oslo.messaging transport: it sends messages to conductors through the message bus."""

from __future__ import annotations

import contextvars
import math
import threading
import time
from concurrent.futures import Future
from typing import Any

from baremetal_interfaces import BareMetalError, Deadline, DeadlineExceeded
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.errors import ConductorSilent, ConductorUnreachable, OutcomeUnknown
from baremetal_sdk.logs import get_logger
from baremetal_sdk.rpc.oslo_bus import METHOD, TOPIC, create_transport, find_conflict, require_threads
from baremetal_sdk.store.records.node import ConductorRecord

LOG = get_logger(__name__)
_MONITOR_TIMEOUT_S = 10.0
"""Seconds without a heartbeat for a running call after which its conductor counts as lost."""

_RECONNECTION_TIMEOUT_S = 10.0
"""Maximum seconds to wait for the queue of a conductor that has to reconnect to the broker."""
_RESEND_INTERVAL_S = 0.5
_TIMEOUT_MARGIN_S = 1.0
"""Seconds after its deadline at which a call counts as stuck in oslo.messaging."""
_MAX_CALLS = 256
"""Maximum number of calls on one connection, including calls that are stuck."""


class OsloTransport:
    """Transport that sends messages through the bus to conductors and returns their responses. Thread-safe.

    While a call runs, its conductor sends heartbeats. After *monitor_timeout* seconds without a heartbeat the conductor counts
    as lost: the call fails with ``ConductorSilent`` before its deadline.

    The bus repeats a message if it does not know whether the message arrived. The receiver recognizes duplicates by their id and
    processes each message once.
    """

    def __init__(self, config: ConductorConfig, *, monitor_timeout: float = _MONITOR_TIMEOUT_S) -> None:
        require_threads()
        self._config = config
        self._monitor_timeout = monitor_timeout
        self._lock = threading.Lock()
        self._closed = False
        self._connection: _Connection | None = None

    def exchange(self, conductor: ConductorRecord, data: bytes, deadline: Deadline) -> bytes:
        """Put *data* into the conductor's queue, wait until *deadline* for the response, and return it.

        Raises ``DeadlineExceeded``, ``ConductorSilent`` or ``OutcomeUnknown`` if the call may have been executed, and
        ``ConductorUnreachable`` if it was not sent.
        """
        import oslo_messaging

        operation = f"a call to conductor {conductor.hostname}"
        reconnection = deadline.within(_RECONNECTION_TIMEOUT_S)
        while True:
            try:
                answer = self._call_in_thread(conductor, data, deadline, operation)
                break
            except oslo_messaging.MessageUndeliverable:
                # The queue does not exist, so the call was not executed. A classic queue is lost with its broker, until the
                # conductor has connected to the new one.
                if reconnection.expired:
                    reason = "the conductor has no queue on the message bus; it is not running or not connected"
                    raise ConductorUnreachable(f"{operation} was not sent: {reason}") from None
                threading.Event().wait(_RESEND_INTERVAL_S)
            except oslo_messaging.MessagingTimeout as exc:
                raise _no_response_error(deadline, operation) from exc
            except oslo_messaging.MessagingException as exc:
                conflict = find_conflict(exc)
                if conflict is not None:
                    raise ConductorUnreachable(f"{operation} was not sent: {conflict}") from None
                raise OutcomeUnknown(
                    f"the message bus failed during {operation} ({type(exc).__name__}); "
                    "the call may have been executed, so check its effect before a retry"
                ) from None
        if not isinstance(answer, str):
            raise OutcomeUnknown(f"cannot read the response to {operation}: it is not a text; the call may have been executed")
        return answer.encode()

    def _call_in_thread(self, conductor: ConductorRecord, data: bytes, deadline: Deadline, operation: str) -> Any:
        """Return the response, or raise the error of the call. Return in time although oslo.messaging may not.

        Its attempts to send have no time limit, and last for ever if the broker accepts connections but does not respond.
        """
        import oslo_messaging

        connection = self._connect()
        future: Future[Any] = Future()
        context = contextvars.copy_context()

        def call() -> None:
            try:
                future.set_result(context.run(self._call, connection, conductor, data, deadline))
            except BaseException as exc:
                future.set_exception(exc)
            finally:
                connection.end_call()

        started_at = time.monotonic()
        if not connection.begin_call():
            raise ConductorUnreachable(f"{operation} was not sent: the message bus does not respond to earlier calls")
        threading.Thread(target=call, name="rpc-call", daemon=True).start()
        try:
            answer = future.result(max(deadline.remaining(), 0.0) + _TIMEOUT_MARGIN_S)
        except TimeoutError:
            self._replace(connection, started_at)
            raise DeadlineExceeded(
                f"{operation} timed out, because the message bus does not respond; "
                "the call may have been executed, so check its effect before a retry"
            ) from None
        except oslo_messaging.MessagingTimeout:
            self._replace(connection, started_at)
            raise
        connection.answered_at = time.monotonic()
        return answer

    def _call(self, connection: _Connection, conductor: ConductorRecord, data: bytes, deadline: Deadline) -> Any:
        import oslo_messaging

        prepared = connection.client.prepare(
            server=conductor.hostname,
            timeout=max(deadline.remaining(), 0.001),
            # The conductor sends heartbeats while a call runs, so its death is noticed long before the deadline.
            call_monitor_timeout=self._monitor_timeout,
            # One attempt per second (see oslo_bus), so attempts to send end with the deadline.
            retry=int(deadline.remaining()),
            # The broker returns a message for a queue that does not exist. Otherwise it would discard the message silently.
            transport_options=oslo_messaging.TransportOptions(at_least_once=True),
        )
        return prepared.call({}, METHOD, message=data.decode())

    def close(self) -> None:
        """Close the connection to the bus. Later calls raise ``ConductorUnreachable``."""
        with self._lock:
            self._closed = True
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.transport.cleanup()

    def _connect(self) -> _Connection:
        import oslo_messaging

        with self._lock:
            if self._closed:
                raise ConductorUnreachable("the call was not sent: this RPC client was closed")
            if self._connection is None:
                transport = create_transport(self._config)
                client = oslo_messaging.get_rpc_client(transport, oslo_messaging.Target(topic=TOPIC))
                self._connection = _Connection(transport, client)
            return self._connection

    def _replace(self, connection: _Connection, started_at: float) -> None:
        """Use a new connection and response queue for later calls, unless another call was answered since *started_at*.

        After a crash of the broker, the reader of responses can wait for ever for a queue that has no leader.
        """
        if connection.answered_at >= started_at:
            return
        with self._lock:
            if self._connection is not connection:
                return
            self._connection = None
        connection.retire()


class _Connection:
    """A connection to the bus with its queue of responses. It is closed after its last call once it is retired."""

    def __init__(self, transport: Any, client: Any) -> None:
        self.transport = transport
        self.client = client
        self.answered_at = -math.inf
        """Monotonic time of the last response, in seconds."""
        self._lock = threading.Lock()
        self._calls = 0
        self._is_retired = False

    def begin_call(self) -> bool:
        """Count a call. Return False, and count nothing, if too many calls run."""
        with self._lock:
            if self._calls >= _MAX_CALLS:
                return False
            self._calls += 1
            return True

    def end_call(self) -> None:
        """Count the end of a call."""
        with self._lock:
            self._calls -= 1
            is_last = self._is_retired and self._calls == 0
        if is_last:
            self._close()

    def retire(self) -> None:
        """Close the connection as soon as no call uses it."""
        with self._lock:
            self._is_retired = True
            is_unused = self._calls == 0
        if is_unused:
            self._close()

    def _close(self) -> None:
        # The broker may not respond, and cleanup() has no time limit.
        threading.Thread(target=self._clean_up, name="rpc-close", daemon=True).start()

    def _clean_up(self) -> None:
        try:
            self.transport.cleanup()
        except Exception as exc:
            LOG.warning("cannot close a connection to the message bus: %s", type(exc).__name__)


def _no_response_error(deadline: Deadline, operation: str) -> BareMetalError:
    """Return the error for a call without a response.

    It is ``DeadlineExceeded`` after the deadline, or else ``ConductorSilent``, because the conductor's heartbeats stopped.
    """
    if deadline.expired:
        return DeadlineExceeded(f"{operation} timed out; the call may have been executed, so check its effect before a retry")
    return ConductorSilent(
        f"the conductor stopped responding during {operation}; "
        "the call may have been executed, so check its effect before a retry"
    )
