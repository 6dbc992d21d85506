"""One RabbitMQ broker for all tests of a process, started at the first use."""

from __future__ import annotations

import atexit
import functools

from tests.fixtures.rabbitmq import RabbitMQ


@functools.cache
def shared() -> RabbitMQ:
    """Return the broker of this process. It stops at the exit of the process."""
    broker = RabbitMQ()
    broker.setUp()
    atexit.register(broker.cleanUp)
    return broker
