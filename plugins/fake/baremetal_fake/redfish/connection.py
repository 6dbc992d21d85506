"""One HTTP connection: requests in, answers out, one at a time, with the delays and accidents that are planned."""

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
from baremetal_fake.redfish.mistakes import mistyped
from baremetal_fake.redfish.statistics import Statistics

LOG = logging.getLogger(__name__)
_HIGH_WATER = 4 * 1024 * 1024
_GARBAGE = Answer(200, b'{"@odata.id": "/redfish/v1/", "Name": ')


class Surroundings(Protocol):
    """What a connection needs from its service."""

    latency: float
    """Seconds that each request takes."""
    idle_timeout: float | None
    """Seconds after which a silent connection is closed; None for never."""
    statistics: Statistics


class Connection(asyncio.Protocol):
    """Serves one client of one BMC."""

    def __init__(self, bmc: RedfishBMC, service: Surroundings) -> None:
        self._bmc = bmc
        self._service = service
        self._parser = Parser()
        self._transport: asyncio.Transport | None = None
        self._work: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected. A fault plan knows it as the operation ``connect``."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._service.statistics.connected(self)
        fault = self._bmc.first_machine().admit("connect")
        if fault is not None and fault.effect is Effect.HANG:
            transport.pause_reading()
        elif fault is not None and fault.effect in (Effect.DROP, Effect.REFUSE):
            transport.abort()
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone, or was sent away: what was going on for it ends."""
        self._service.statistics.disconnected(self)
        self._transport = None
        if self._idle is not None:
            self._idle.cancel()
        if self._work is not None:
            self._work.cancel()

    def close(self) -> None:
        """Send the client away."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Serve what is whole by now; a client that sends far ahead of its answers is sent away."""
        self._parser.feed(data)
        if self._work is None:
            self._serve()
        elif self._parser.waiting > _HIGH_WATER:
            self.close()

    def _serve(self) -> None:
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
            self._take(request)

    def _take(self, request: Request) -> None:
        statistics = self._service.statistics
        special = statistics.answer(request)
        if special is not None:
            self._reply(request, special)
            return
        self._bmc.counters.begin()
        statistics.begin(request)
        outcome = self._understood(request)
        if isinstance(outcome, Answer) and not self._service.latency:
            self._end(request, outcome)
        else:
            self._work = asyncio.get_running_loop().create_task(self._finish(request, outcome))

    def _understood(self, request: Request) -> Answer | Awaitable[Answer | None]:
        """The answer, or the work that gives it: None stands for a connection that breaks in place of one."""
        try:
            operation, fault = self._bmc.understand(request)
            if fault is not None or self._service.latency:
                return self._delayed(operation, fault)
            return operation.run(None)
        except RedfishError as error:
            return Answer(error.status, error.body(), error.headers)
        except Exception:
            return _internal_error(request)

    async def _delayed(self, operation: Operation, fault: Fault | None) -> Answer | None:
        effect = fault.effect if fault is not None else None
        if effect is Effect.HANG:
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
        return mistyped(whole) if effect is Effect.MISTYPE else whole

    def _truncate(self, answer: Answer) -> None:
        """Send half of the answer; what follows is the end of the connection."""
        if self._transport is not None:
            content = answer.encode(keep_alive=True, head_only=False)
            self._transport.write(content[: len(content) // 2])
            self._transport.close()

    async def _finish(self, request: Request, work: Answer | Awaitable[Answer | None]) -> None:
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
        if self._service.idle_timeout is not None:
            if self._idle is not None:
                self._idle.cancel()
            self._idle = asyncio.get_running_loop().call_later(self._service.idle_timeout, self.close)


def _internal_error(request: Request) -> Answer:
    LOG.exception("%s %s failed", request.method, request.path)
    return Answer(500, RedfishError(500, "InternalError", "The request failed due to an internal service error.").body())
