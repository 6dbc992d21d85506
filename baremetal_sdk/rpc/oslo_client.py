"""Carries messages to a conductor by the message bus of oslo.messaging."""

from __future__ import annotations

import threading
from typing import Any

from baremetal_interfaces import BareMetalError, Deadline, DeadlineExceeded
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.errors import ConductorSilent, ConductorUnreachable, OutcomeUnknown
from baremetal_sdk.rpc.oslo_bus import METHOD, TOPIC, create_transport, require_threads
from baremetal_sdk.store.records.node import ConductorRecord

_SIGNS_OF_LIFE = 10.0
"""Seconds without a sign of life from a conductor that works on a call, after which it counts as lost."""


class OsloTransport:
    """Exchanges messages with the queue of a conductor.

    The bus sends a message again whose arrival it does not know of; the conductor's side knows it by its id, and runs it once.
    """

    def __init__(self, config: ConductorConfig, *, signs_of_life: float = _SIGNS_OF_LIFE) -> None:
        require_threads()
        self._config = config
        self._signs_of_life = signs_of_life
        self._lock = threading.Lock()
        self._closed = False
        self._transport: Any = None
        self._client: Any = None

    def exchange(self, conductor: ConductorRecord, data: bytes, deadline: Deadline) -> bytes:
        """Put *data* in the conductor's queue and wait for the answer."""
        import oslo_messaging

        doing = f"a call of conductor {conductor.hostname}"
        prepared = self._connected().prepare(
            server=conductor.hostname,
            timeout=max(deadline.remaining(), 0.001),
            call_monitor_timeout=self._signs_of_life,
            retry=int(deadline.remaining()),
        )
        try:
            answer = prepared.call({}, METHOD, message=data.decode())
        except oslo_messaging.MessagingTimeout as exc:
            raise _too_late(deadline, doing) from exc
        except oslo_messaging.MessagingException as exc:
            raise OutcomeUnknown(f"the message bus failed during {doing} ({type(exc).__name__}); was it restarted?") from None
        if not isinstance(answer, str):
            raise OutcomeUnknown(f"{doing} was answered with what is no message")
        return answer.encode()

    def close(self) -> None:
        """End the connection to the bus."""
        with self._lock:
            self._closed = True
            transport, self._transport, self._client = self._transport, None, None
        if transport is not None:
            transport.cleanup()

    def _connected(self) -> Any:
        import oslo_messaging

        with self._lock:
            if self._closed:
                raise ConductorUnreachable("the client of the conductors was closed")
            if self._client is None:
                self._transport = create_transport(self._config)
                self._client = oslo_messaging.get_rpc_client(self._transport, oslo_messaging.Target(topic=TOPIC))
            return self._client


def _too_late(deadline: Deadline, doing: str) -> BareMetalError:
    """The error for a message without an answer: the time is over, or signs of life are missing before that."""
    if deadline.expired:
        return DeadlineExceeded(f"the time for {doing} is over; whether it was run is not known")
    return ConductorSilent(f"no sign of life during {doing}; whether it was run is not known")
