"""HTTP connection of a simulated Redfish BMC: it answers requests one at a time, and applies delays and faults to the answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Protocol

from baremetal_fake.faults import Effect, Fault
from baremetal_fake.redfish.bmc import RedfishBMC
from baremetal_fake.redfish.errors import RedfishError
from baremetal_fake.redfish.exchange import Operation
from baremetal_fake.redfish.message import Answer, Parser, Request
from baremetal_fake.redfish.mistakes import change_types
from baremetal_fake.redfish.statistics import Statistics

LOG = logging.getLogger(__name__)
_MAX_UNREAD_BYTES = 4 * 1024 * 1024
"""Maximum bytes that a client may send ahead while the BMC works on an earlier request. More bytes break the connection."""
_GARBAGE = Answer(200, b'{"@odata.id": "/redfish/v1/", "Name": ')
"""Answer of the effect ``wrong``: HTTP 200 with a body that is not valid JSON."""


class ServiceSettings(Protocol):
    """The attributes of the Redfish test service that a connection reads."""

    latency: float
    """Seconds by which every answer is delayed."""
    idle_timeout: float | None
    """Seconds without a request after which a connection is closed; None: never."""
    statistics: Statistics
    """Counters of the whole service."""


class Connection(asyncio.Protocol):
    """A connection of one client to one simulated BMC. The asyncio event loop calls its methods."""

    def __init__(self, bmc: RedfishBMC, service: ServiceSettings) -> None:
        self._bmc = bmc
        self._service = service
        self._parser = Parser()
        self._transport: asyncio.Transport | None = None
        self._work: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the new connection, and apply the fault of the operation ``connect``: hang, drop or refuse."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._service.statistics.add_connection(self)
        fault = self._bmc.first_machine().record_operation("connect")
        if fault is not None and fault.effect is Effect.HANG:
            transport.pause_reading()
        elif fault is not None and fault.effect in (Effect.DROP, Effect.REFUSE):
            transport.abort()
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the work on the request in progress, because the connection has ended."""
        self._service.statistics.remove_connection(self)
        self._transport = None
        if self._idle is not None:
            self._idle.cancel()
        if self._work is not None:
            self._work.cancel()

    def close(self) -> None:
        """Abort the connection at once, without sending what is still buffered."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Answer the requests that have arrived completely. Break the connection if the client sends more than 4 MiB ahead."""
        self._parser.feed(data)
        if self._work is None:
            self._serve()
        elif self._parser.buffered > _MAX_UNREAD_BYTES:
            self.close()

    def _serve(self) -> None:
        """Answer complete requests until one needs time, more bytes are needed, or the connection ends."""
        while self._transport is not None and self._work is None:
            try:
                request = self._parser.next()
            except RedfishError as error:
                self._reply(None, Answer(error.status, error.body(), error.headers))
                return
            if request is None:
                self._await_request()
                return
            if self._idle is not None:
                self._idle.cancel()
            self._start(request)

    def _start(self, request: Request) -> None:
        """Start to answer *request*. Requests for the statistics are answered at once and are not counted."""
        statistics = self._service.statistics
        special = statistics.answer(request)
        if special is not None:
            self._reply(request, special)
            return
        self._bmc.counters.begin()
        statistics.begin(request)
        outcome = self._evaluate(request)
        # Without latency or a fault, the answer needs no asyncio task.
        if isinstance(outcome, Answer) and not self._service.latency:
            self._end(request, outcome)
        else:
            self._work = asyncio.get_running_loop().create_task(self._finish(request, outcome))

    def _evaluate(self, request: Request) -> Answer | Awaitable[Answer | None]:
        """Return the answer to *request*, or an awaitable of the answer if the answer takes time.

        If the awaitable returns None, the connection breaks without a complete answer.
        """
        try:
            operation, fault = self._bmc.prepare(request)
            if fault is not None or self._service.latency:
                return self._run_with_fault(operation, fault)
            return operation.run(None)
        except RedfishError as error:
            return Answer(error.status, error.body(), error.headers)
        except Exception:
            return _internal_error(request)

    async def _run_with_fault(self, operation: Operation, fault: Fault | None) -> Answer | None:
        """Run *operation* after the service's latency and under *fault*. Return None if the connection must break instead."""
        effect = fault.effect if fault is not None else None
        if effect is Effect.HANG:
            # The event is never set: the wait ends when the client leaves and the task is cancelled.
            await asyncio.Event().wait()
        if fault is not None and effect is Effect.SLOW:
            await asyncio.sleep(fault.seconds)
        await asyncio.sleep(self._service.latency)
        if effect is Effect.DROP:
            return None
        if effect is Effect.WRONG:
            return _GARBAGE
        answer = operation.run(fault)
        whole = answer if isinstance(answer, Answer) else await answer
        if effect is Effect.TRUNCATE:
            self._truncate(whole)
            return None
        return change_types(whole) if effect is Effect.MISTYPE else whole

    def _truncate(self, answer: Answer) -> None:
        """Send the first half of *answer* and close the connection, as the effect ``truncate`` demands."""
        if self._transport is not None:
            content = answer.encode(keep_alive=True, head_only=False)
            self._transport.write(content[: len(content) // 2])
            self._transport.close()

    async def _finish(self, request: Request, work: Answer | Awaitable[Answer | None]) -> None:
        """Wait for the answer to *request*, send it, and continue with the requests that arrived meanwhile."""
        answer: Answer | None = None
        try:
            if isinstance(work, Answer):
                await asyncio.sleep(self._service.latency)
                answer = work
            else:
                answer = await work
        except RedfishError as error:
            answer = Answer(error.status, error.body(), error.headers)
        except Exception:
            answer = _internal_error(request)
        finally:
            self._work = None
            self._end(request, answer)
        self._serve()

    def _end(self, request: Request, answer: Answer | None) -> None:
        """Count the end of *request*, and send *answer*, or break the connection if it is None."""
        self._bmc.counters.end()
        self._service.statistics.end()
        if answer is None:
            self.close()
        else:
            self._reply(request, self._bmc.finish(request, answer))

    def _reply(self, request: Request | None, answer: Answer) -> None:
        if self._transport is None:
            return
        keep_alive = request is not None and request.keep_alive
        self._transport.write(answer.encode(keep_alive, head_only=request is not None and request.method == "HEAD"))
        if not keep_alive:
            self._transport.close()
            self._transport = None

    def _await_request(self) -> None:
        """Restart the timer that closes the connection after ``idle_timeout`` seconds without a request."""
        if self._service.idle_timeout is not None:
            if self._idle is not None:
                self._idle.cancel()
            self._idle = asyncio.get_running_loop().call_later(self._service.idle_timeout, self.close)


def _internal_error(request: Request) -> Answer:
    """Log the present exception, and return the HTTP 500 answer to *request*."""
    LOG.exception("%s %s failed", request.method, request.path)
    return Answer(500, RedfishError(500, "InternalError", "The request failed due to an internal service error.").body())
