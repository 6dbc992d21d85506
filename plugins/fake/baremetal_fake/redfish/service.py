"""Redfish test service: simulated BMCs behind real TCP sockets on loopback, all on one event loop in one thread."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from baremetal_fake.background_service import BackgroundService
from baremetal_fake.bmc_account import Account
from baremetal_fake.faults import FaultPlan
from baremetal_fake.loopback import check_addresses, check_names
from baremetal_fake.machine import Machine
from baremetal_fake.rack import Rack
from baremetal_fake.redfish import events, firmware, managers, parts, readings, registries, service_root, systems, tasks, volumes
from baremetal_fake.redfish.bmc import RedfishBMC
from baremetal_fake.redfish.certificate import Certificate, make_certificate
from baremetal_fake.redfish.connection import Connection
from baremetal_fake.redfish.exchange import ROOT
from baremetal_fake.redfish.images import check_image
from baremetal_fake.redfish.options import BMCOptions
from baremetal_fake.redfish.routing import NAME, Router
from baremetal_fake.redfish.statistics import Statistics
from baremetal_interfaces.addresses import build_url

LISTEN_BACKLOG = 1024
"""Maximum number of connections that wait to be accepted at one address."""


def build_router() -> Router:
    """Return a router with all routes of a simulated Redfish BMC."""
    modules = (service_root, systems, parts, volumes, firmware, managers, readings, registries, events, tasks)
    return Router((route for module in modules for route in module.routes()), service_root.versions())


class RedfishService(BackgroundService):
    """A test service with simulated Redfish BMCs that listen on loopback. It is a context manager.

    *machines* is a number, or a list of names; a name is also the identifier of the Redfish system. With a single address in
    *addresses*, one BMC at that address manages all machines. With one address for each machine, each machine has its own
    BMC. *port* is the same at all addresses; 0 chooses a free port. *latency* delays each answer by that many seconds.
    *idle_timeout* is the number of seconds without a request after which a connection is closed; None: never.

    With *tls*, the service speaks HTTPS, with the given certificate or with a new one; :attr:`certificate` is its file.
    *rack* supplies the machines, for example from a rack with a manual clock. *check_image* raises RedfishError unless the
    image at a URL exists. Raises ValueError if a name or an address is not valid.
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
        super().__init__("redfish-service")
        self.names = [str(number) for number in range(machines)] if isinstance(machines, int) else list(machines)
        check_names(self.names)
        _check_path_segments(self.names)
        check_addresses(addresses, len(self.names))
        self.addresses = list(addresses)
        self.port = port
        self.rack = Rack("redfish") if rack is None else rack
        self.options = options or BMCOptions()
        self.latency = latency
        self.idle_timeout = idle_timeout
        self.statistics = Statistics()
        self.certificate: str | None = None
        """Path of the PEM certificate that clients must trust while the service runs with TLS; None otherwise."""
        router = build_router()
        groups = [self.names] if len(addresses) == 1 else [[name] for name in self.names]
        self._bmcs = [RedfishBMC(self.rack, group, router, self.options, check_image) for group in groups]
        self._tls = tls
        self._tls_context: ssl.SSLContext | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._servers: list[asyncio.Server] = []

    @property
    def url(self) -> str:
        """URL of the BMC that manages the first machine."""
        return self.url_of(0)

    def url_of(self, index: int) -> str:
        """Return the URL of the BMC that manages machine *index*."""
        address = self.addresses[index if len(self.addresses) > 1 else 0]
        return build_url("https" if self._tls else "http", address, self.port)

    def system_path(self, index: int = 0) -> str:
        """Return the URL path of the Redfish system of machine *index*."""
        return f"{ROOT}/Systems/{self.names[index]}"

    def machine(self, index: int = 0) -> Machine:
        """Return the simulated machine *index*, for a test to inspect or change."""
        return self.rack.machine(self.names[index])

    def bmc(self, index: int = 0) -> RedfishBMC:
        """Return the simulated BMC that manages machine *index*."""
        return self._bmcs[index if len(self._bmcs) > 1 else 0]

    def inject(self, plan: FaultPlan, machines: str = "*") -> None:
        """Set the fault *plan* of all machines whose names match the pattern *machines*, in place of their former plans."""
        self.rack.inject(plan, machines)

    def drop_connections(self) -> None:
        """Break all open connections, as a restart of the BMCs would."""
        self.run_on_loop(self._close_connections)

    def end_sessions(self) -> None:
        """End all sessions at all BMCs. Clients get HTTP 401 until they log in again."""

        def clear() -> None:
            for bmc in self._bmcs:
                bmc.sessions.clear()

        self.run_on_loop(clear)

    def set_account(self, account: Account, index: int = 0) -> None:
        """Change the account of the BMC that manages machine *index*.

        All sessions of the BMC end, and the account is unlocked.
        """
        bmc = self.bmc(index)

        def change() -> None:
            bmc.options = replace(bmc.options, account=account)
            bmc.sessions.clear()
            bmc.unlock()

        self.run_on_loop(change)

    def totals(self) -> dict[str, Any]:
        """Return the counters of the whole service by name.

        Logins, sessions and overruns are sums over all BMCs. ``in_flight_max_per_bmc`` is the highest number of requests in
        flight at any single BMC.
        """
        counters = [bmc.counters.as_dict() for bmc in self._bmcs]
        names = ("logins", "refused_logins", "turned_away", "open_sessions")
        return {
            **self.run_on_loop(self.statistics.as_dict),
            **{name: sum(of_bmc[name] for of_bmc in counters) for name in names},
            "in_flight_max_per_bmc": max(of_bmc["in_flight_max"] for of_bmc in counters),
            "overruns": sum(bmc.overruns for bmc in self._bmcs),
        }

    def _prepare(self) -> None:
        self._tls_context = self._make_tls_context() if self._tls else None

    def _clean_up(self) -> None:
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None
        self.certificate = None

    def _make_tls_context(self) -> ssl.SSLContext:
        certificate = self._tls
        if not isinstance(certificate, Certificate):
            self._directory = tempfile.TemporaryDirectory(prefix="redfish-service-")
            certificate = make_certificate(self._directory.name, [*self.addresses, "localhost"])
        self.certificate = certificate.path
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.path, certificate.key)
        return context

    async def _open_sockets(self) -> None:
        for index, address in enumerate(self.addresses):
            await self._listen(self._bmcs[index], address)

    def _close_sockets(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        self._close_connections()

    def _close_connections(self) -> None:
        for connection in self.statistics.all_connections():
            connection.close()

    async def _listen(self, bmc: RedfishBMC, address: str) -> None:
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(bmc, self),
            address,
            self.port,
            ssl=self._tls_context,
            backlog=LISTEN_BACKLOG,
            reuse_address=True,
        )
        self._servers.append(server)
        # The system chose the first port; all other addresses use the same one.
        self.port = server.sockets[0].getsockname()[1]


def _check_path_segments(names: Sequence[str]) -> None:
    """Raise ValueError if one of *names* contains a slash or is the placeholder ``*`` of routes."""
    for name in names:
        if "/" in name or name == NAME:
            raise ValueError(f"machine name {name!r} is not valid: it must not contain a slash and must not be {NAME!r}")
