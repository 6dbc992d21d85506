"""How calls arrive in the mode ``oslo``: from a queue of the message bus that bears the conductor's name."""

from __future__ import annotations

import logging
import threading
from typing import Any

from baremetal_interfaces import Deadline
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.rpc.handler import MessageHandler
from baremetal_sdk.rpc.oslo_bus import TOPIC, create_transport

LOG = logging.getLogger(__name__)
_SPARE = 4
"""Threads that say "busy" while all others work."""


class OsloServer:
    """Takes calls from the bus, from its start to its stop."""

    def __init__(self, handler: MessageHandler, config: ConductorConfig) -> None:
        self._config = config
        self._answering = _Answering(handler, config.executor_thread_pool_size)
        self._transport: Any = None
        self._server: Any = None

    def start(self) -> None:
        """Take calls. Raises ``ConfigurationError``; a bus that is away for now is waited for in the background."""
        self._transport = create_transport(self._config)
        import oslo_messaging
        from oslo_messaging.rpc.dispatcher import DefaultRPCAccessPolicy

        target = oslo_messaging.Target(topic=TOPIC, server=self._config.hostname)
        # The bus sees one object with one public method, and by this policy no other.
        policy = DefaultRPCAccessPolicy
        self._server = oslo_messaging.get_rpc_server(self._transport, target, [self._answering], access_policy=policy)
        # The option is there once there is a server, and is read when that starts.
        self._server.conf.set_override("executor_thread_pool_size", self._config.executor_thread_pool_size + _SPARE)
        self._server.start()
        LOG.info("RPC is served from the queue %s.%s", TOPIC, self._config.hostname)

    def stop(self, deadline: Deadline) -> None:
        """Take no new calls, let running ones end, and return by *deadline*."""
        server, self._server = self._server, None
        if server is not None:
            # Its own stop has no bound: it can wait for a broker that is away.
            stopping = threading.Thread(target=self._end, args=(server,), name="rpc-stop", daemon=True)
            stopping.start()
            stopping.join(deadline.remaining())
            if stopping.is_alive():
                LOG.warning("calls that run, or the message bus, keep RPC from stopping; the stop goes on without it")

    def _end(self, server: Any) -> None:
        try:
            server.stop()
            server.wait()
            self._transport.cleanup()
        except Exception as exc:
            LOG.warning("the connection to the message bus could not be ended: %s", type(exc).__name__)


class _Answering:
    """Answers messages, at most *most* at a time."""

    def __init__(self, handler: MessageHandler, most: int) -> None:
        self._handler = handler
        self._room = threading.Semaphore(most)

    def answer(self, context: Any, message: str) -> str | None:
        """The answer to a message. Who finds no room is told so at once."""
        data = message.encode()
        if not self._room.acquire(blocking=False):
            return self._handler.busy(data).decode()
        try:
            answer = self._handler.answer(data)
        finally:
            self._room.release()
        return None if answer is None else answer.decode()
