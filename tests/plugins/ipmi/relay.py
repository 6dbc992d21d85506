"""A network between a client and a BMC that counts messages, and loses them where it is told to."""

from __future__ import annotations

import select
import socket
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

RAKP1, RAKP2, RAKP4 = 0x12, 0x13, 0x15
"""The messages of a login: the first from the client, the others from the BMC. Each first one counts as an attempt."""

STATUS = 17
"""Where those from the BMC have their status code."""


def payload_type(message: bytes) -> int:
    """The type of an RMCP+ message, -1 for the older sort that asks what a BMC can do."""
    return message[5] & 0x3F if len(message) > 5 and message[4] == 6 else -1


class Relay:
    """Listens on a UDP port of loopback and hands every message on to the BMC, and back what it answers.

    *lose* says of a message from the client that is not to arrive; without a BMC none does. *alter* says what the client
    gets in place of an answer.
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
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        self._wake.send(b"x")
        self._thread.join(10.0)
        for one in (self._inner, self._wake, self._socket, *self._clients.values()):
            one.close()

    def _carry(self) -> None:
        while True:
            poll = select.poll()
            watched = {one.fileno(): one for one in (self._inner, self._socket, *self._clients.values())}
            for number in watched:
                poll.register(number, select.POLLIN)
            for number, _ in poll.poll():
                if watched[number] is self._inner:
                    return
                self._hand_on(watched[number])

    def _hand_on(self, source: socket.socket) -> None:
        if source is not self._socket:
            client = next(address for address, one in self._clients.items() if one is source)
            for message in self.alter(source.recv(4096)):
                self._socket.sendto(message, client)
            return
        message, client = self._socket.recvfrom(4096)
        self.seen[payload_type(message)] += 1
        if self._bmc_port is not None and not self.lose(message):
            self._towards_bmc(client).sendto(message, ("127.0.0.1", self._bmc_port))

    def _towards_bmc(self, client: tuple[str, int]) -> socket.socket:
        if client not in self._clients:
            self._clients[client] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        return self._clients[client]
