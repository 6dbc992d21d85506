"""Bridging: routes to controllers behind a BMC, and their messages (IPMI 2.0, chapters 6.3 and 22.7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from baremetal_ipmi.errors import IPMIError

BMC_ADDRESS = 0x20
SEND_MESSAGE = 0x34
_APPLICATION = 0x06
_CONSOLE_ADDRESS = 0x81
_TRACK_REQUEST = 0x40
"""Flag of Send Message. The controller tracks the request and returns the response to its sender."""
_MIN_RESPONSE_BYTES = 8


class Hop(NamedTuple):
    """Controller on a route: its channel, and its address there."""

    channel: int
    address: int


class Route(NamedTuple):
    """Route to the controller *target*.

    *local* is the BMC's address on the channel. *transit* is the controller between the BMC and the target, if there is one.
    """

    target: Hop
    transit: Hop | None = None
    local: int = BMC_ADDRESS

    def build_message(self, netfn: int, command: int, data: Sequence[int], sequence: int, lun: int = 0) -> bytearray:
        """Return the message to the BMC: a command for the target, within one Send Message for each controller on the route."""
        if self.transit is None:
            hops: tuple[Hop, ...] = (Hop(self.target.channel, BMC_ADDRESS),)
            senders: tuple[int, ...] = (_CONSOLE_ADDRESS,)
            last = self.local
        else:
            hops = (Hop(self.target.channel, self.transit.address), Hop(self.transit.channel, BMC_ADDRESS))
            senders = (self.local, _CONSOLE_ADDRESS)
            last = self.transit.address
        # The innermost message comes first; each controller removes the outer one and forwards the rest.
        message = _encode_message(self.target.address, netfn, lun, last, sequence, command, data)
        for hop, sender in zip(hops, senders, strict=True):
            forwarded = (_TRACK_REQUEST | hop.channel, *message)
            message = _encode_message(hop.address, _APPLICATION, 0, sender, sequence, SEND_MESSAGE, forwarded)
        return message

    def __str__(self) -> str:
        transit = "" if self.transit is None else f" by {self.transit.address:#04x} on channel {self.transit.channel}"
        return f"{self.target.address:#04x} on channel {self.target.channel}{transit}"


def unwrap_response(response: dict[str, Any], route: Route) -> dict[str, Any]:
    """Return the response of the target controller from *response*, the BMC's response to a bridged command.

    Some controllers return it within the response to Send Message, others in a separate message. Raises
    :class:`~baremetal_ipmi.errors.IPMIError` if a controller did not forward the message.
    """
    while response["command"] == SEND_MESSAGE:
        code, data = response["code"], bytes(response["data"])
        if code or len(data) < _MIN_RESPONSE_BYTES:
            raise IPMIError(f"the BMC cannot reach the controller {route} (completion code {code:#04x})")
        response = {"command": data[5], "code": data[6], "error": f"completion code {data[6]:#04x}", "data": data[7:-1]}
    return response


def _encode_message(
    target: int, netfn: int, lun: int, sender: int, sequence: int, command: int, data: Sequence[int]
) -> bytearray:
    head, tail = bytes((target, netfn << 2 | lun)), bytes((sender, sequence << 2, command, *data))
    return bytearray(head + _compute_checksum(head) + tail + _compute_checksum(tail))


def _compute_checksum(data: bytes) -> bytes:
    return bytes((-sum(data) & 0xFF,))
