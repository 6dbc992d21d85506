"""Reader and writer of the packets of a simulated IPMI BMC: RMCP, session headers of IPMI 2.0 and 1.5, IPMI messages.

Source: IPMI 2.0, chapter 13 (packets), 6.13 (sequence numbers) and 13.8 (messages).
"""

from __future__ import annotations

from typing import NamedTuple

RMCP_HEADER = b"\x06\x00\xff\x07"
RMCP_ASF = b"\x06\x00\xff\x06"
"""RMCP headers: version 6, no acknowledgement, and the message class, which is IPMI for the first and ASF for the second."""

FORMAT_NONE, FORMAT_RMCP_PLUS = 0x00, 0x06
"""Authentication types of the session header: none (the format of IPMI 1.5), and RMCP+ (IPMI 2.0)."""
IPMI_MESSAGE = 0x00
OPEN_REQUEST, OPEN_RESPONSE = 0x10, 0x11
RAKP_1, RAKP_2, RAKP_3, RAKP_4 = 0x12, 0x13, 0x14, 0x15
"""Payload types of RMCP+ packets (IPMI 2.0, table 13-16)."""

ENCRYPTED, AUTHENTICATED = 0x80, 0x40
"""Flags in the byte of the payload type: the payload is encrypted, and the packet has an integrity code."""
_MAX_DATAGRAM_BYTES = 1024
_SESSION_HEADER_BYTES = 12
_NEXT_HEADER = 0x07


class BadMessage(Exception):
    """Error raised for a datagram that is not a valid message. A BMC does not answer such a datagram."""


class Packet(NamedTuple):
    """A packet from a client: RMCP+ (*format* 6), or IPMI 1.5 outside of a session (*format* 0).

    The integrity *code* covers *body*.
    """

    format: int
    payload_type: int
    encrypted: bool
    authenticated: bool
    session_id: int
    sequence: int
    payload: bytes
    body: bytes = b""
    code: bytes = b""


class Request(NamedTuple):
    """An IPMI request: the command with its data, and the addresses and the sequence number that the response repeats."""

    netfn: int
    command: int
    data: bytes
    target: int
    target_lun: int
    source: int
    source_lun: int
    sequence: int


def read_packet(datagram: bytes) -> Packet:
    """Parse *datagram* and return its packet.

    The integrity code is not checked here. Raises BadMessage if the format is not valid.
    """
    is_rmcp = datagram[:1] == b"\x06" and datagram[2:4] == RMCP_HEADER[2:]
    if not 14 <= len(datagram) <= _MAX_DATAGRAM_BYTES or not is_rmcp:
        raise BadMessage("cannot read a datagram: it is not an RMCP packet with an IPMI message")
    kind = datagram[4]
    if kind == FORMAT_NONE:
        length = datagram[13]
        payload = datagram[14 : 14 + length]
        if len(payload) != length:
            raise BadMessage(f"cannot read an IPMI 1.5 packet: it has {len(payload)} bytes of payload; its header says {length}")
        return Packet(kind, IPMI_MESSAGE, False, False, 0, 0, payload)
    if kind != FORMAT_RMCP_PLUS or len(datagram) < 4 + _SESSION_HEADER_BYTES:
        raise BadMessage(f"cannot read a packet: its authentication type is {kind}; supported are 0 (no session) and 6 (RMCP+)")
    return _read_rmcp_plus(datagram)


def _read_rmcp_plus(datagram: bytes) -> Packet:
    """Parse an RMCP+ *datagram* and return its packet; raise BadMessage if its length or its trailer is wrong."""
    flags = datagram[5]
    session, sequence = (int.from_bytes(datagram[offset : offset + 4], "little") for offset in (6, 10))
    end = 16 + int.from_bytes(datagram[14:16], "little")
    payload, rest = datagram[16:end], datagram[end:]
    if len(datagram) < end:
        raise BadMessage(f"cannot read an RMCP+ packet: it has {len(datagram)} bytes; its header says {end}")
    body = code = b""
    if flags & AUTHENTICATED:
        # The integrity code covers everything from the session header to the end of the trailer, without the code.
        padding = _padding_of(end)
        if len(rest) < padding + 2 or rest[padding : padding + 2] != bytes((padding, _NEXT_HEADER)):
            raise BadMessage("cannot read an RMCP+ packet: its session trailer is missing or not valid")
        body, code = datagram[4 : end + padding + 2], rest[padding + 2 :]
    return Packet(
        FORMAT_RMCP_PLUS,
        flags & 0x3F,
        bool(flags & ENCRYPTED),
        bool(flags & AUTHENTICATED),
        session,
        sequence,
        payload,
        body,
        code,
    )


def _padding_of(end: int) -> int:
    """Return the number of integrity padding bytes after a payload that ends at offset *end* of the datagram.

    The padding makes the length of session header, payload and the trailer's two bytes a multiple of four.
    """
    return -(end - 4 + 2) % 4


def rmcp_plus(payload_type: int, payload: bytes, session_id: int = 0, sequence: int = 0) -> bytes:
    """Return an RMCP+ packet with *payload*, without a trailer. *payload_type* includes the flags."""
    numbers = session_id.to_bytes(4, "little") + sequence.to_bytes(4, "little")
    return RMCP_HEADER + bytes((FORMAT_RMCP_PLUS, payload_type)) + numbers + len(payload).to_bytes(2, "little") + payload


def with_trailer(packet: bytes) -> bytes:
    """Return *packet* with the padding and the two bytes that precede its integrity code."""
    padding = _padding_of(len(packet))
    return packet + b"\xff" * padding + bytes((padding, _NEXT_HEADER))


def outside_of_session(payload: bytes) -> bytes:
    """Return a packet with *payload* in the format of IPMI 1.5, without authentication."""
    return RMCP_HEADER + bytes((FORMAT_NONE,)) + bytes(8) + bytes((len(payload),)) + payload


def read_request(payload: bytes) -> Request:
    """Parse *payload* and return its IPMI request; raise BadMessage if it is too short or a checksum is wrong."""
    if len(payload) < 7 or sum(payload[:3]) & 0xFF or sum(payload[3:]) & 0xFF:
        raise BadMessage("cannot read an IPMI request: it is too short or has a wrong checksum")
    target, function, _, source, sequence, command = payload[:6]
    return Request(function >> 2, command, payload[6:-1], target, function & 3, source, sequence & 3, sequence >> 2)


def response(request: Request, code: int, data: bytes = b"") -> bytes:
    """Return the IPMI response to *request*, with a completion *code* and *data*."""
    head = bytes((request.source, (request.netfn | 1) << 2 | request.source_lun))
    tail = bytes((request.target, request.sequence << 2 | request.target_lun, request.command, code)) + data
    return head + checksum(head) + tail + checksum(tail)


def checksum(data: bytes) -> bytes:
    """Return the IPMI checksum of *data*: the byte that makes the sum of all bytes zero (modulo 256)."""
    return bytes((-sum(data) & 0xFF,))


def answer_ping(datagram: bytes) -> bytes | None:
    """Return the answer to an ASF presence ping (IPMI 2.0, 13.2.3), or None if *datagram* is not a ping."""
    if len(datagram) < 12 or datagram[:1] != RMCP_ASF[:1] or datagram[3] != RMCP_ASF[3]:
        return None
    if datagram[4:9] != b"\x00\x00\x11\xbe\x80":
        return None
    tag = datagram[9:10]
    return RMCP_ASF + b"\x00\x00\x11\xbe\x40" + tag + b"\x00\x10" + b"\x00\x00\x11\xbe" + bytes(4) + b"\x81" + bytes(7)
