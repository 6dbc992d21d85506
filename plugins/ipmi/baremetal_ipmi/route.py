"""The way to a controller behind a BMC, and the messages that go along it (IPMI 2.0, chapter 6.3 and 22.7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from baremetal_ipmi.errors import IPMIError

BMC_ADDRESS = 0x20
SEND_MESSAGE = 0x34
_APPLICATION = 0x06
_CONSOLE = 0x81
_TRACKED = 0x40
"""Whoever hands a message on remembers whose it was, and gives the answer back."""
_SHORTEST_ANSWER = 8


class Hop(NamedTuple):
    """A controller: the channel that it is on, and its address there."""

    channel: int
    address: int


class Route(NamedTuple):
    """The way to *target*: by the BMC, whose address on the channel is *local*, and by *transit* where that is in between."""

    target: Hop
    transit: Hop | None = None
    local: int = BMC_ADDRESS

    def message(self, netfn: int, command: int, data: Sequence[int], sequence: int, lun: int = 0) -> bytearray:
        """A command for the target, as the BMC gets it: a message in a message, once for each controller on the way."""
        hops = (
            [Hop(self.target.channel, BMC_ADDRESS)]
            if self.transit is None
            else [
                Hop(self.transit.channel, BMC_ADDRESS),
                Hop(self.target.channel, self.transit.address),
            ]
        )
        last = self.local if self.transit is None else self.transit.address
        message = _message(self.target.address, netfn, lun, last, sequence, command, data)
        for hop, sender in zip(reversed(hops), (_CONSOLE,) if self.transit is None else (self.local, _CONSOLE), strict=True):
            message = _message(hop.address, _APPLICATION, 0, sender, sequence, SEND_MESSAGE, (_TRACKED | hop.channel, *message))
        return message

    def __str__(self) -> str:
        by = "" if self.transit is None else f" by {self.transit.address:#04x} on channel {self.transit.channel}"
        return f"{self.target.address:#04x} on channel {self.target.channel}{by}"


def unwrapped(response: dict[str, Any], route: Route) -> dict[str, Any]:
    """The target's answer that came within one to the message that it was asked by; some controllers give it so.

    Raises :class:`~baremetal_ipmi.errors.IPMIError` where the message was not handed on.
    """
    while response["command"] == SEND_MESSAGE:
        code, data = response["code"], bytes(response["data"])
        if code or len(data) < _SHORTEST_ANSWER:
            raise IPMIError(f"the BMC cannot reach the controller {route} (completion code {code:#04x})")
        response = {"command": data[5], "code": data[6], "error": f"completion code {data[6]:#04x}", "data": data[7:-1]}
    return response


def _message(target: int, netfn: int, lun: int, sender: int, sequence: int, command: int, data: Sequence[int]) -> bytearray:
    head, tail = bytes((target, netfn << 2 | lun)), bytes((sender, sequence << 2, command, *data))
    return bytearray(head + _checksum(head) + tail + _checksum(tail))


def _checksum(data: bytes) -> bytes:
    return bytes((-sum(data) & 0xFF,))
