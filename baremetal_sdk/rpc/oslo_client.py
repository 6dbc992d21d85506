"""Client side of the oslo.messaging transport: it sends messages to conductors through the message bus."""

from __future__ import annotations

import threading
from typing import Any

from baremetal_interfaces import BareMetalError, Deadline, DeadlineExceeded
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.errors import ConductorSilent, ConductorUnreachable, OutcomeUnknown
from baremetal_sdk.rpc.oslo_bus import METHOD, TOPIC, create_transport, find_conflict, require_threads
from baremetal_sdk.store.records.node import ConductorRecord

_MONITOR_TIMEOUT_S = 10.0
"""Seconds without a heartbeat for a running call after which its conductor counts as lost."""

_RECONNECTION_TIMEOUT_S = 10.0
"""Maximum seconds to wait for the queue of a conductor that has to reconnect to the broker."""
_RESEND_INTERVAL_S = 0.5


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
        self._transport: Any = None
        self._client: Any = None

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
                answer = self._call(conductor, data, deadline)
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

    def _call(self, conductor: ConductorRecord, data: bytes, deadline: Deadline) -> Any:
        import oslo_messaging

        prepared = self._connect().prepare(
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
            transport, self._transport, self._client = self._transport, None, None
        if transport is not None:
            transport.cleanup()

    def _connect(self) -> Any:
        import oslo_messaging

        with self._lock:
            if self._closed:
                raise ConductorUnreachable("the call was not sent: this RPC client was closed")
            if self._client is None:
                self._transport = create_transport(self._config)
                self._client = oslo_messaging.get_rpc_client(self._transport, oslo_messaging.Target(topic=TOPIC))
            return self._client


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
