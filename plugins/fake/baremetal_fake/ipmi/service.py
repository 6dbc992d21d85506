"""The IPMI test service: simulated machines behind UDP sockets on loopback, on one event loop in one thread."""

from __future__ import annotations

import asyncio
import ipaddress
import threading
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from baremetal_fake.faults import FaultPlan
from baremetal_fake.ipmi import application, chassis, event_log, sensors
from baremetal_fake.ipmi.bmc import IPMIBMC, IPMIOptions, Reply
from baremetal_fake.ipmi.commands import Table
from baremetal_fake.machine import Machine
from baremetal_fake.rack import Rack

T = TypeVar("T")


def command_table() -> Table:
    """The commands that a simulated BMC knows."""
    return {key: one for module in (application, chassis, event_log, sensors) for key, one in module.commands().items()}


class IPMIService:
    """IPMI BMCs for *machines*, a number or names; each has a BMC of its own, for IPMI knows only one machine behind one.

    Use it as a context manager. With one of *addresses* the BMCs listen there at ports of their own, from *port* on or,
    with 0, at free ones; with as many addresses as machines all listen at *port*. *latency* is what each answer takes,
    in seconds. *rack* hands in machines, with a clock of their own for one.
    """

    def __init__(
        self,
        machines: int | Iterable[str] = 1,
        *,
        addresses: Sequence[str] = ("127.0.0.1",),
        port: int = 0,
        latency: float = 0.0,
        options: IPMIOptions | None = None,
        rack: Rack | None = None,
    ) -> None:
        self.names = [str(number) for number in range(machines)] if isinstance(machines, int) else list(machines)
        _check(self.names, addresses)
        self.addresses = list(addresses)
        self.ports: list[int] = []
        """The port of each machine's BMC, once the service runs."""
        self.options = options or IPMIOptions()
        self.rack = Rack("ipmi") if rack is None else rack
        self.latency = latency
        self._port = port
        table = command_table()
        self._bmcs = [IPMIBMC(self.rack, name, table, self.options) for name in self.names]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopping: asyncio.Event | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def address_of(self, index: int = 0) -> tuple[str, int]:
        """The address and the port of one machine's BMC."""
        return self.addresses[index if len(self.addresses) > 1 else 0], self.ports[index]

    def driver_info(self, index: int = 0) -> dict[str, Any]:
        """What a node says to reach one machine's BMC."""
        host, port = self.address_of(index)
        account = self.options.access.account
        return {"ipmi_address": host, "ipmi_port": port, "ipmi_username": account.username, "ipmi_password": account.password}

    def machine(self, index: int = 0) -> Machine:
        """One machine, to look at and to meddle with."""
        return self.rack.machine(self.names[index])

    def bmc(self, index: int = 0) -> IPMIBMC:
        """The BMC of one machine."""
        return self._bmcs[index]

    def put_behind(self, outer: int, channel: int, address: int, inner: int) -> None:
        """Let the BMC of one machine hand messages on to that of another, which has this *address* on its *channel*."""
        self._bmcs[outer].behind[channel, address] = self._bmcs[inner]

    def inject(self, plan: FaultPlan, machines: str = "*") -> None:
        """Let things go wrong by *plan* at the machines whose names match."""
        self.rack.inject(plan, machines)

    def start(self) -> None:
        """Listen everywhere; return when all BMCs answer. OSError says which address cannot be had."""
        if self._thread is not None:
            raise RuntimeError("the service is running already")
        started: list[BaseException | None] = []
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started, ready), name="ipmi-service", daemon=True)
        self._thread.start()
        ready.wait()
        if started[0] is not None:
            self.stop()
            raise started[0]

    def stop(self) -> None:
        """Stop listening."""
        thread, self._thread = self._thread, None
        if thread is not None:
            if self._loop is not None and self._stopping is not None and thread.is_alive():
                self._loop.call_soon_threadsafe(self._stopping.set)
            thread.join()
        self.ports = []

    def forget_sessions(self) -> None:
        """End all sessions at all BMCs, without a word to the clients."""

        def clear() -> None:
            for bmc in self._bmcs:
                bmc.logins.clear()

        self._on_loop(clear)

    def totals(self) -> dict[str, Any]:
        """What all BMCs counted, added up; the most in flight and open at one of them."""
        counted = [
            {
                **bmc.counters.as_dict(),
                "login_attempts": bmc.logins.attempts,
                "resent": bmc.resent,
                "overruns": bmc.overruns,
            }
            for bmc in self._bmcs
        ]
        most = ("in_flight_max", "open_sessions_max")
        return {name: (max if name in most else sum)(one[name] for one in counted) for name in counted[0]}

    def _on_loop(self, action: Callable[[], T]) -> T:
        """Do something on the loop, which alone touches sessions."""
        if self._loop is None or self._thread is None:
            return action()

        async def act() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result(timeout=30.0)

    def _run(self, started: list[BaseException | None], ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(started, ready))
        except BaseException as exc:
            if ready.is_set():
                raise
            started.append(exc)
            ready.set()

    async def _serve(self, started: list[BaseException | None], ready: threading.Event) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        listeners: list[asyncio.DatagramTransport] = []
        try:
            for index in range(len(self._bmcs)):
                listeners.append(await self._listen(loop, index))
            started.append(None)
            ready.set()
            await self._stopping.wait()
        finally:
            for listener in listeners:
                listener.abort()
            self._loop = None

    async def _listen(self, loop: asyncio.AbstractEventLoop, index: int) -> asyncio.DatagramTransport:
        own_address = len(self.addresses) > 1
        address = self.addresses[index if own_address else 0]
        port = self._port + (index if self._port and not own_address else 0)
        transport, _ = await loop.create_datagram_endpoint(lambda: _Listener(self, self._bmcs[index]), local_addr=(address, port))
        listening = int(transport.get_extra_info("sockname")[1])
        if own_address:
            self._port = listening
        self.ports.append(listening)
        return transport


class _Listener(asyncio.DatagramProtocol):
    """One BMC's socket."""

    def __init__(self, service: IPMIService, bmc: IPMIBMC) -> None:
        self._service = service
        self._bmc = bmc
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It listens."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """One message: answered now or later, or not at all."""
        counters = self._bmc.counters
        counters.begin()
        reply = self._bmc.receive(data)
        delay = self._service.latency + (reply.delay if reply else 0.0)
        if delay and reply:
            asyncio.get_running_loop().call_later(delay, self._send, reply, addr)
        else:
            self._send(reply, addr)

    def _send(self, reply: Reply | None, addr: Any) -> None:
        self._bmc.counters.end()
        if reply is not None and self._transport is not None and not self._transport.is_closing():
            for datagram in (reply.datagram, *reply.more):
                self._transport.sendto(datagram, addr)


def _check(names: list[str], addresses: Sequence[str]) -> None:
    """Only loopback: a test service has no business anywhere else."""
    if not names:
        raise ValueError("a service needs at least one machine")
    if len(set(names)) != len(names) or not all(names):
        raise ValueError(f"the names of machines have to be distinct and not empty: {names!r}")
    if len(addresses) not in (1, len(names)):
        raise ValueError(f"{len(addresses)} addresses for {len(names)} machines: there has to be one, or one for each")
    for address in addresses:
        if address != "localhost" and not ipaddress.ip_address(address).is_loopback:
            raise ValueError(f"{address} is not a loopback address")
