"""IPMI test service: simulated BMCs behind UDP sockets on loopback, all on one event loop in one thread."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, cast

from baremetal_fake.background_service import BackgroundService
from baremetal_fake.faults import FaultPlan
from baremetal_fake.ipmi import application, chassis, event_log_commands, sensor_commands
from baremetal_fake.ipmi.bmc import IPMIBMC, Reply
from baremetal_fake.ipmi.commands import Table
from baremetal_fake.ipmi.options import IPMIOptions
from baremetal_fake.loopback import check_addresses, check_names
from baremetal_fake.machine import Machine
from baremetal_fake.rack import Rack

_MAXIMA = ("in_flight_max", "open_sessions_max")
"""Counters whose total is the maximum over all BMCs, not the sum."""


def command_table() -> Table:
    """Return the table of all IPMI commands that a simulated BMC supports."""
    modules = (application, chassis, event_log_commands, sensor_commands)
    return {key: command for module in modules for key, command in module.commands().items()}


class IPMIService(BackgroundService):
    """A test service with simulated IPMI BMCs that listen on loopback. It is a context manager.

    *machines* is a number or a list of names. Each machine has its own BMC, because an IPMI BMC manages one machine. With a
    single address in *addresses*, the BMCs listen at consecutive ports from *port* on, or at free ports if *port* is 0. With
    one address for each machine, all BMCs listen at *port*. *latency* delays each answer by that many seconds. *rack*
    supplies the machines, for example from a rack with a manual clock. Raises ValueError if a name or an address is not
    valid.
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
        super().__init__("ipmi-service")
        self.names = [str(number) for number in range(machines)] if isinstance(machines, int) else list(machines)
        check_names(self.names)
        check_addresses(addresses, len(self.names))
        self.addresses = list(addresses)
        self.ports: list[int] = []
        """UDP port of each machine's BMC while the service runs; empty otherwise."""
        self.options = options or IPMIOptions()
        self.rack = Rack("ipmi") if rack is None else rack
        self.latency = latency
        self._port = port
        table = command_table()
        self._bmcs = [IPMIBMC(self.rack, name, table, self.options) for name in self.names]
        self._listeners: list[asyncio.DatagramTransport] = []

    def address_of(self, index: int = 0) -> tuple[str, int]:
        """Return the IP address and the UDP port of the BMC of machine *index*."""
        return self.addresses[index if len(self.addresses) > 1 else 0], self.ports[index]

    def driver_info(self, index: int = 0) -> dict[str, Any]:
        """Return the ``driver_info`` for a node of the IPMI driver that uses the BMC of machine *index*."""
        host, port = self.address_of(index)
        account = self.options.access.account
        return {"ipmi_address": host, "ipmi_port": port, "ipmi_username": account.username, "ipmi_password": account.password}

    def machine(self, index: int = 0) -> Machine:
        """Return the simulated machine *index*, for a test to inspect or change."""
        return self.rack.machine(self.names[index])

    def bmc(self, index: int = 0) -> IPMIBMC:
        """Return the simulated BMC of machine *index*."""
        return self._bmcs[index]

    def bridge(self, outer: int, channel: int, address: int, inner: int) -> None:
        """Let the BMC of machine *outer* forward messages for slave *address* on *channel* to the BMC of machine *inner*."""
        self._bmcs[outer].bridged[channel, address] = self._bmcs[inner]

    def inject(self, plan: FaultPlan, machines: str = "*") -> None:
        """Set the fault *plan* of all machines whose names match the pattern *machines*, in place of their former plans."""
        self.rack.inject(plan, machines)

    def end_sessions(self) -> None:
        """End all sessions at all BMCs. The clients get no message about the end."""

        def clear() -> None:
            for bmc in self._bmcs:
                bmc.logins.clear()

        self.run_on_loop(clear)

    def totals(self) -> dict[str, Any]:
        """Return the counters of all BMCs by name. Each is the sum over all BMCs.

        ``in_flight_max`` and ``open_sessions_max`` are the highest values of any single BMC instead.
        """
        counters = [
            {
                **bmc.counters.as_dict(),
                "login_attempts": bmc.logins.attempts,
                "resent": bmc.resent,
                "overruns": bmc.overruns,
            }
            for bmc in self._bmcs
        ]
        return {name: (max if name in _MAXIMA else sum)(of_bmc[name] for of_bmc in counters) for name in counters[0]}

    async def _open_sockets(self) -> None:
        for index in range(len(self._bmcs)):
            await self._listen(index)

    def _close_sockets(self) -> None:
        for listener in self._listeners:
            listener.abort()
        self._listeners.clear()

    def _clean_up(self) -> None:
        self.ports = []

    async def _listen(self, index: int) -> None:
        has_own_address = len(self.addresses) > 1
        address = self.addresses[index if has_own_address else 0]
        port = self._port + (index if self._port and not has_own_address else 0)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Listener(self, self._bmcs[index]), local_addr=(address, port))
        self._listeners.append(transport)
        bound_port = int(transport.get_extra_info("sockname")[1])
        if has_own_address:
            # The system chose the first port; all other addresses use the same one.
            self._port = bound_port
        self.ports.append(bound_port)


class _Listener(asyncio.DatagramProtocol):
    """The UDP socket of one simulated BMC."""

    def __init__(self, service: IPMIService, bmc: IPMIBMC) -> None:
        self._service = service
        self._bmc = bmc
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store *transport*, by which the BMC sends its replies."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Pass a datagram to the BMC, and send its reply at once or after the delay. Some datagrams get no reply."""
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
