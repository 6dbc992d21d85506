"""Network between a client and a BMC that counts, drops and changes messages."""

from __future__ import annotations

import select
import socket
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

RAKP1, RAKP2, RAKP4 = 0x12, 0x13, 0x15
"""Payload types of the login messages. RAKP 1 comes from the client, and each one starts a login attempt."""

STATUS = 17
"""Offset of the status code in the BMC's login messages."""


def payload_type(message: bytes) -> int:
    """Return the payload type of an RMCP+ message, or -1 for an IPMI 1.5 message, which asks for the BMC's capabilities."""
    return message[5] & 0x3F if len(message) > 5 and message[4] == 6 else -1


class Relay:
    """Forwards messages between a UDP port of the loopback interface and the BMC.

    *lose* returns whether a message of the client is dropped; without a BMC all are. *alter* returns the messages that the
    client receives in place of a response.
    """

    def __init__(
        self,
        bmc_port: int | None = None,
        lose: Callable[[bytes], bool] = lambda message: False,
        alter: Callable[[bytes], Sequence[bytes]] = lambda message: [message],
    ) -> None:
        self.lose = lose
        self.alter = alter
        self.seen: Counter[int] = Counter()
        self._bmc_port = bmc_port
        self._inner, self._wake = socket.socketpair()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._clients: dict[tuple[str, int], socket.socket] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        self._wake.send(b"x")
        self._thread.join(10.0)
        for endpoint in (self._inner, self._wake, self._socket, *self._clients.values()):
            endpoint.close()

    def _run(self) -> None:
        while True:
            poll = select.poll()
            endpoints = (self._inner, self._socket, *self._clients.values())
            watched = {endpoint.fileno(): endpoint for endpoint in endpoints}
            for number in watched:
                poll.register(number, select.POLLIN)
            for number, _ in poll.poll():
                if watched[number] is self._inner:
                    return
                self._forward(watched[number])

    def _forward(self, source: socket.socket) -> None:
        if source is not self._socket:
            client = next(address for address, endpoint in self._clients.items() if endpoint is source)
            for message in self.alter(source.recv(4096)):
                self._socket.sendto(message, client)
            return
        message, client = self._socket.recvfrom(4096)
        self.seen[payload_type(message)] += 1
        if self._bmc_port is not None and not self.lose(message):
            self._open_bmc_socket(client).sendto(message, ("127.0.0.1", self._bmc_port))

    def _open_bmc_socket(self, client: tuple[str, int]) -> socket.socket:
        if client not in self._clients:
            self._clients[client] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        return self._clients[client]
