"""The messages of IPMI over a network: RMCP, the session header of IPMI 2.0 and of 1.5, and what is in them.

IPMI 2.0, chapter 13 (packets) and 6.13, 13.8 (the message inside).
"""

from __future__ import annotations

from typing import NamedTuple

RMCP_HEADER = b"\x06\x00\xff\x07"
RMCP_ASF = b"\x06\x00\xff\x06"
"""Version 6, no acknowledgement, and the class: IPMI, or ASF with its ping."""

FORMAT_NONE, FORMAT_RMCP_PLUS = 0x00, 0x06
IPMI_MESSAGE = 0x00
OPEN_REQUEST, OPEN_RESPONSE = 0x10, 0x11
RAKP_1, RAKP_2, RAKP_3, RAKP_4 = 0x12, 0x13, 0x14, 0x15
"""Payload types (table 13-16)."""

ENCRYPTED, AUTHENTICATED = 0x80, 0x40
_LONGEST = 1024
_HEADER = 12


class BadMessage(Exception):
    """It is not a message, or not one for us; a BMC says nothing to it."""


class Packet(NamedTuple):
    """A packet of RMCP+ (*format* 6) or of IPMI 1.5 outside of a session (0). *body* is what the integrity code covers."""

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
    """One IPMI request: what is asked for, and what has to be in the answer for it to be known."""

    netfn: int
    command: int
    data: bytes
    target: int
    target_lun: int
    source: int
    source_lun: int
    sequence: int


def read_packet(datagram: bytes) -> Packet:
    """Take *datagram* apart. Raises BadMessage."""
    if len(datagram) < 14 or len(datagram) > _LONGEST or datagram[:1] != b"\x06" or datagram[2:4] != RMCP_HEADER[2:]:
        raise BadMessage("not RMCP with IPMI")
    kind = datagram[4]
    if kind == FORMAT_NONE:
        length = datagram[13]
        payload = datagram[14 : 14 + length]
        if len(payload) != length:
            raise BadMessage("shorter than it says")
        return Packet(kind, IPMI_MESSAGE, False, False, 0, 0, payload)
    if kind != FORMAT_RMCP_PLUS or len(datagram) < 4 + _HEADER:
        raise BadMessage("neither RMCP+ nor outside of a session")
    return _read_rmcp_plus(datagram)


def _read_rmcp_plus(datagram: bytes) -> Packet:
    flags = datagram[5]
    session, sequence = (int.from_bytes(datagram[at : at + 4], "little") for at in (6, 10))
    end = 16 + int.from_bytes(datagram[14:16], "little")
    payload, rest = datagram[16:end], datagram[end:]
    if len(datagram) < end:
        raise BadMessage("shorter than it says")
    covered = code = b""
    if flags & AUTHENTICATED:
        padding = -(end - 4 + 2) % 4
        if len(rest) < padding + 2 or rest[padding : padding + 2] != bytes((padding, 0x07)):
            raise BadMessage("its trailer is not one")
        covered, code = datagram[4 : end + padding + 2], rest[padding + 2 :]
    return Packet(
        FORMAT_RMCP_PLUS,
        flags & 0x3F,
        bool(flags & ENCRYPTED),
        bool(flags & AUTHENTICATED),
        session,
        sequence,
        payload,
        covered,
        code,
    )


def rmcp_plus(payload_type: int, payload: bytes, session_id: int = 0, sequence: int = 0) -> bytes:
    """A packet of RMCP+ up to the end of its payload; *payload_type* has the flags."""
    numbers = session_id.to_bytes(4, "little") + sequence.to_bytes(4, "little")
    return RMCP_HEADER + bytes((FORMAT_RMCP_PLUS, payload_type)) + numbers + len(payload).to_bytes(2, "little") + payload


def with_trailer(packet: bytes) -> bytes:
    """*packet* with the padding and the two bytes that come before its integrity code."""
    padding = -(len(packet) - 4 + 2) % 4
    return packet + b"\xff" * padding + bytes((padding, 0x07))


def outside_of_session(payload: bytes) -> bytes:
    """A packet in the format of IPMI 1.5 without authentication."""
    return RMCP_HEADER + bytes((FORMAT_NONE,)) + bytes(8) + bytes((len(payload),)) + payload


def read_request(payload: bytes) -> Request:
    """The request in *payload*. Raises BadMessage where a checksum is wrong."""
    if len(payload) < 7 or sum(payload[:3]) & 0xFF or sum(payload[3:]) & 0xFF:
        raise BadMessage("a checksum is wrong")
    target, function, _, source, sequence, command = payload[:6]
    return Request(function >> 2, command, payload[6:-1], target, function & 3, source, sequence & 3, sequence >> 2)


def response(request: Request, code: int, data: bytes = b"") -> bytes:
    """The answer to *request* with a completion *code*."""
    head = bytes((request.source, (request.netfn | 1) << 2 | request.source_lun))
    tail = bytes((request.target, request.sequence << 2 | request.target_lun, request.command, code)) + data
    return head + checksum(head) + tail + checksum(tail)


def checksum(data: bytes) -> bytes:
    """What makes the sum of *data* and itself zero."""
    return bytes((-sum(data) & 0xFF,))


def pong(ping: bytes) -> bytes | None:
    """The answer to an ASF presence ping (13.2.3), or None where it is not one."""
    if len(ping) < 12 or ping[:1] != RMCP_ASF[:1] or ping[3] != RMCP_ASF[3] or ping[4:9] != b"\x00\x00\x11\xbe\x80":
        return None
    return RMCP_ASF + b"\x00\x00\x11\xbe\x40" + ping[9:10] + b"\x00\x10" + b"\x00\x00\x11\xbe" + bytes(4) + b"\x81" + bytes(7)
