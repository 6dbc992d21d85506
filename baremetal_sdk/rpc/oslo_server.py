"""Server side of the oslo.messaging transport: a conductor receives calls from a queue with its name."""

from __future__ import annotations

import threading
from typing import Any

from baremetal_interfaces import Deadline
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.logs import get_logger
from baremetal_sdk.rpc.handler import MessageHandler
from baremetal_sdk.rpc.oslo_bus import TOPIC, create_transport, find_conflict

LOG = get_logger(__name__)
_BROKER_TIMEOUT_S = 2.0
"""Maximum seconds to wait for the broker during a stop."""
_BUSY_THREADS = 4
"""Number of additional threads, which reject calls as busy while all other threads work."""


class OsloServer:
    """Server of a conductor for calls from the message bus."""

    def __init__(self, handler: MessageHandler, config: ConductorConfig) -> None:
        self._config = config
        self._bus_endpoint = _BusEndpoint(handler, config.executor_thread_pool_size)
        self._transport: Any = None
        self._server: Any = None

    def start(self) -> None:
        """Accept calls. Raises ``ConfigurationError`` for an invalid transport, and for queues that exist with another type.

        If the bus is down, the method returns nevertheless, and the connection is made later in the background.
        """
        self._transport = create_transport(self._config)
        import oslo_messaging
        from oslo_messaging.rpc.dispatcher import DefaultRPCAccessPolicy

        target = oslo_messaging.Target(topic=TOPIC, server=self._config.hostname)
        # The policy exposes public methods only, and the endpoint has one.
        policy = DefaultRPCAccessPolicy
        self._server = oslo_messaging.get_rpc_server(self._transport, target, [self._bus_endpoint], access_policy=policy)
        # oslo.messaging registers the option when it creates the server, and reads it when the server starts.
        self._server.conf.set_override("executor_thread_pool_size", self._config.executor_thread_pool_size + _BUSY_THREADS)
        self._start_server()
        LOG.info("listening for RPC calls in the queue %s.%s", TOPIC, self._config.hostname)

    def _start_server(self) -> None:
        try:
            self._server.start()
        except Exception as exc:
            self._server = None
            conflict = find_conflict(exc)
            if conflict is None:
                raise
            raise ConfigurationError(f"[DEFAULT] rpc_transport: oslo: {conflict}") from None

    def stop(self, deadline: Deadline) -> None:
        """Accept no new calls and wait for running calls until *deadline*. Calls that are left continue in the background."""
        server, self._server = self._server, None
        if server is not None:
            # server.stop() has no timeout and can wait for a broker that is down, so a thread runs it.
            stopping = threading.Thread(target=self._stop_server, args=(server,), name="rpc-stop", daemon=True)
            stopping.start()
            stopping.join(min(deadline.remaining(), _BROKER_TIMEOUT_S))
            if stopping.is_alive() and self._bus_endpoint.wait_until_idle(deadline):
                # No call runs any more. A broker that is down must not use up the time of the next steps.
                stopping.join(min(deadline.remaining(), _BROKER_TIMEOUT_S))
            if stopping.is_alive():
                LOG.warning("RPC server did not stop in time (running calls, or the message bus is down); continuing shutdown")

    def _stop_server(self, server: Any) -> None:
        try:
            server.stop()
            server.wait()
            self._transport.cleanup()
        except Exception as exc:
            LOG.warning("cannot close the connection to the message bus: %s", type(exc).__name__)


class _BusEndpoint:
    """Endpoint on the bus that processes up to *max_calls* messages at the same time."""

    def __init__(self, handler: MessageHandler, max_calls: int) -> None:
        self._handler = handler
        self._capacity = max_calls
        self._running = 0
        self._changed = threading.Condition()

    def answer(self, context: Any, message: str) -> str | None:
        """Execute a message and return the response, or None if it needs none. Without free capacity, reject it as busy."""
        data = message.encode()
        with self._changed:
            is_busy = self._running >= self._capacity
            self._running += not is_busy
        if is_busy:
            return self._handler.busy(data).decode()
        try:
            answer = self._handler.answer(data)
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()
        return None if answer is None else answer.decode()

    def wait_until_idle(self, deadline: Deadline) -> bool:
        """Wait until no message is processed, at most until *deadline*. Return whether none is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._running == 0, max(deadline.remaining(), 0.0))
