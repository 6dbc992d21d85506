"""One broker for all tests of a process, started when it is needed first; and native threads for oslo.service."""

from __future__ import annotations

import atexit
import functools

from tests.fixtures.rabbitmq import RabbitMQ


@functools.cache
def shared() -> RabbitMQ:
    """The broker of this process, which ends with it."""
    broker = RabbitMQ()
    broker.setUp()
    atexit.register(broker.cleanUp)
    return broker
