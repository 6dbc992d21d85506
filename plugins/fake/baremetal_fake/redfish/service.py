"""The Redfish test service: simulated machines behind real sockets on loopback, on one event loop in one thread."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar

from baremetal_fake.bmc_account import Account
from baremetal_fake.faults import FaultPlan
from baremetal_fake.machine import Machine
from baremetal_fake.rack import Rack
from baremetal_fake.redfish import events, firmware, managers, parts, readings, registries, service_root, systems, tasks, volumes
from baremetal_fake.redfish.bmc import BMCOptions, RedfishBMC
from baremetal_fake.redfish.certificate import Certificate, make_certificate
from baremetal_fake.redfish.connection import Connection
from baremetal_fake.redfish.exchange import ROOT
from baremetal_fake.redfish.images import check_image
from baremetal_fake.redfish.routing import Router
from baremetal_fake.redfish.statistics import Statistics

T = TypeVar("T")
BACKLOG = 1024


def redfish_router() -> Router:
    """The routes of a simulated BMC."""
    modules = (service_root, systems, parts, volumes, firmware, managers, readings, registries, events, tasks)
    return Router((route for module in modules for route in module.routes()), service_root.versions())


class RedfishService:
    """Redfish BMCs for *machines*, a number or names, which are also the identifiers of their systems.

    Use it as a context manager. With one of *addresses* all machines are behind one BMC there; with as many addresses
    as machines each has a BMC of its own. *port* 0 takes a free one, the same at all addresses. *latency* is what each
    request takes, *idle_timeout* after what time a silent connection is closed, in seconds. With *tls* it is HTTPS, by
    the certificate that is given or by one that is made; :attr:`certificate` names its file. *rack* hands in machines,
    with a clock of their own for one.
    """

    def __init__(
        self,
        machines: int | Iterable[str] = 1,
        *,
        addresses: Sequence[str] = ("127.0.0.1",),
        port: int = 0,
        tls: bool | Certificate = False,
        latency: float = 0.0,
        idle_timeout: float | None = None,
        options: BMCOptions | None = None,
        rack: Rack | None = None,
        check_image: Callable[[str], Awaitable[None]] = check_image,
    ) -> None:
        self.names = [str(number) for number in range(machines)] if isinstance(machines, int) else list(machines)
        _check(self.names, addresses)
        self.addresses = list(addresses)
        self.port = port
        self.rack = Rack("redfish") if rack is None else rack
        self.options = options or BMCOptions()
        self.latency = latency
        self.idle_timeout = idle_timeout
        self.statistics = Statistics()
        self.certificate: str | None = None
        """The file of the certificate (PEM) that clients may trust, while the service runs with TLS."""
        router = redfish_router()
        groups = [self.names] if len(addresses) == 1 else [[name] for name in self.names]
        self._bmcs = [RedfishBMC(self.rack, group, router, self.options, check_image) for group in groups]
        self._tls = tls
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopping: asyncio.Event | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address of the first BMC as a URL."""
        return self.url_of(0)

    def url_of(self, index: int) -> str:
        """The URL of the BMC of one machine."""
        address = self.addresses[index if len(self.addresses) > 1 else 0]
        host = f"[{address}]" if ":" in address else address
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    def system_path(self, index: int = 0) -> str:
        """The path of the system of one machine."""
        return f"{ROOT}/Systems/{self.names[index]}"

    def machine(self, index: int = 0) -> Machine:
        """One machine, to look at and to meddle with."""
        return self.rack.machine(self.names[index])

    def bmc(self, index: int = 0) -> RedfishBMC:
        """The BMC of one machine."""
        return self._bmcs[index if len(self._bmcs) > 1 else 0]

    def inject(self, plan: FaultPlan, machines: str = "*") -> None:
        """Let things go wrong by *plan* at the machines whose names match."""
        self.rack.inject(plan, machines)

    def start(self) -> None:
        """Listen at all addresses; return when all of them answer. OSError says which address cannot be had."""
        if self._thread is not None:
            raise RuntimeError("the service is running already")
        context = self._tls_context() if self._tls else None
        started: list[BaseException | None] = []
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(context, started, ready), name="redfish-service", daemon=True)
        self._thread.start()
        ready.wait()
        if started[0] is not None:
            self.stop()
            raise started[0]

    def stop(self) -> None:
        """Close all connections and stop listening."""
        thread, self._thread = self._thread, None
        if thread is not None:
            if self._loop is not None and self._stopping is not None and thread.is_alive():
                self._loop.call_soon_threadsafe(self._stopping.set)
            thread.join()
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None
        self.certificate = None

    def drop_connections(self) -> None:
        """Break all connections, as a BMC that restarts does."""

        def close() -> None:
            for connection in self.statistics.all_connections():
                connection.close()

        self._on_loop(close)

    def forget_sessions(self) -> None:
        """End all sessions at all BMCs."""

        def clear() -> None:
            for bmc in self._bmcs:
                bmc.sessions.clear()

        self._on_loop(clear)

    def protect(self, account: Account, index: int = 0) -> None:
        """Change the password of one machine's BMC, which ends its sessions."""
        bmc = self.bmc(index)

        def change() -> None:
            bmc.options = replace(bmc.options, account=account)
            bmc.sessions.clear()
            bmc.unlock()

        self._on_loop(change)

    def totals(self) -> dict[str, Any]:
        """The statistics, with the logins and sessions of all BMCs added up."""
        counted = [bmc.counters.as_dict() for bmc in self._bmcs]
        names = ("logins", "refused_logins", "turned_away", "open_sessions")
        highest = max(one["in_flight_max"] for one in counted)
        return {
            **self._on_loop(self.statistics.as_dict),
            **{name: sum(one[name] for one in counted) for name in names},
            "in_flight_max_per_bmc": highest,
            "overruns": sum(bmc.overruns for bmc in self._bmcs),
        }

    def _on_loop(self, action: Callable[[], T]) -> T:
        """Do something on the loop, which alone touches connections and sessions."""
        if self._loop is None or self._thread is None:
            return action()

        async def act() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result(timeout=30.0)

    def _tls_context(self) -> ssl.SSLContext:
        made = self._tls
        if not isinstance(made, Certificate):
            self._directory = tempfile.TemporaryDirectory(prefix="redfish-service-")
            made = make_certificate(self._directory.name, [*self.addresses, "localhost"])
        self.certificate = made.path
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made.path, made.key)
        return context

    def _run(self, context: ssl.SSLContext | None, started: list[BaseException | None], ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(context, started, ready))
        except BaseException as exc:
            if ready.is_set():
                raise
            started.append(exc)
            ready.set()

    async def _serve(self, context: ssl.SSLContext | None, started: list[BaseException | None], ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        servers: list[asyncio.Server] = []
        try:
            for index, address in enumerate(self.addresses):
                servers.append(await self._listen(self._bmcs[index], address, context))
            started.append(None)
            ready.set()
            await self._stopping.wait()
        finally:
            for server in servers:
                server.close()
            for connection in self.statistics.all_connections():
                connection.close()
            self._loop = None

    async def _listen(self, bmc: RedfishBMC, address: str, context: ssl.SSLContext | None) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: Connection(bmc, self), address, self.port, ssl=context, backlog=BACKLOG, reuse_address=True
        )
        self.port = server.sockets[0].getsockname()[1]
        return server


def _check(names: list[str], addresses: Sequence[str]) -> None:
    """Only loopback: a test service has no business anywhere else."""
    if not names:
        raise ValueError("a service needs at least one machine")
    if len(set(names)) != len(names) or not all(name and "/" not in name and name != "*" for name in names):
        raise ValueError(f"the names of machines have to be distinct, and without a slash: {names!r}")
    if len(addresses) not in (1, len(names)):
        raise ValueError(f"{len(addresses)} addresses for {len(names)} machines: there has to be one, or one for each")
    for address in addresses:
        if address != "localhost" and not ipaddress.ip_address(address).is_loopback:
            raise ValueError(f"{address} is not a loopback address")
