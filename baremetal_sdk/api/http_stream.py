"""The bytes of one connection: buffered both ways, and never waited for beyond a deadline."""

from __future__ import annotations

import socket
import ssl

from baremetal_interfaces import Deadline
from baremetal_sdk.api.http_framing import ClientGone, Refused

_BLOCK = 65536


class Stream:
    """Reads from and writes to a socket until *deadline*, which whoever serves the connection moves on.

    No single wait is longer than *silence* seconds. What fails is ``ClientGone``: there is nobody left to tell.
    """

    def __init__(self, sock: socket.socket, silence: float) -> None:
        self.socket = sock
        self.deadline = Deadline.after(silence)
        self.closed = False
        self._silence = silence
        self._in = bytearray()
        self._out = bytearray()

    def has_data(self) -> bool:
        """Whether there are bytes that nobody took yet and that no selector would tell of."""
        return bool(self._in) or (isinstance(self.socket, ssl.SSLSocket) and self.socket.pending() > 0)

    def head(self, longest: int) -> bytes | None:
        """What stands before the next empty line, of *longest* bytes at most; None when the client sends nothing more."""
        looked_at = 0
        while True:
            end = self._in.find(b"\r\n\r\n", max(0, looked_at - 3))
            if end > longest or (end < 0 and len(self._in) > longest):
                raise Refused(431, f"the headers are too large; {longest} bytes are taken at most")
            if end >= 0:
                return self._cut(end, 4)
            looked_at = len(self._in)
            if self._in[:1] == b"\n" or b"\n" in self._in.replace(b"\r\n", b""):
                raise Refused(400, "lines have to end in CR LF")
            if not self._receive():
                if self._in:
                    raise Refused(400, "the connection ended within the headers")
                return None

    def line(self, longest: int) -> bytes:
        """The next line, without its end, of *longest* bytes at most."""
        while True:
            end = self._in.find(b"\r\n")
            if end > longest or (end < 0 and len(self._in) > longest + 1):
                raise Refused(400, "a line in the body of the request is too long")
            if end >= 0:
                return self._cut(end, 2)
            if not self._receive():
                raise ClientGone("the connection ended within the body of the request")

    def take(self, most: int) -> bytes:
        """At least one byte and at most *most*; nothing at the end."""
        if not self._in:
            self._receive()
        return self._cut(min(most, len(self._in)), 0)

    def write(self, data: bytes) -> int:
        """Keep *data* to be sent; send what is kept when it is much."""
        self._out += data
        if len(self._out) >= _BLOCK:
            self.flush()
        return len(data)

    def flush(self) -> None:
        """Send what is kept."""
        pending, self._out = memoryview(self._out), bytearray()
        sent = 0
        while sent < len(pending):
            self._wait_at_most()
            try:
                sent += self.socket.send(pending[sent : sent + _BLOCK])
            except OSError as exc:
                raise ClientGone(f"the answer could not be sent: {exc}") from exc

    def close(self) -> None:
        """Forget what is kept. The socket is its owner's."""
        self.closed = True

    def _cut(self, size: int, skipped: int) -> bytes:
        taken = bytes(self._in[:size])
        del self._in[: size + skipped]
        return taken

    def _receive(self) -> bool:
        self._wait_at_most()
        try:
            data = self.socket.recv(_BLOCK)
        except TimeoutError:
            raise Refused(408, "the request took too long") from None
        except OSError as exc:
            raise ClientGone(f"the connection broke: {exc}") from exc
        self._in += data
        return bool(data)

    def _wait_at_most(self) -> None:
        left = min(self._silence, self.deadline.remaining())
        if left <= 0:
            raise Refused(408, "the request took too long")
        self.socket.settimeout(left)
