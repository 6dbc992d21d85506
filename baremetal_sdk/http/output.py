"""An answer on its way: sent as far as the client reads, kept beyond that."""

from __future__ import annotations

import socket
import ssl

_BLOCK = 262144
_ALONE = 65536
"""Bytes of a piece that is sent from where it is: joined with others it would be copied while all other threads wait."""


class ClientGone(OSError):
    """The client closed or broke the connection, or read too slowly: there is nobody left to tell."""


class OutputBuffer:
    """What is to be sent on one connection. It never waits."""

    __slots__ = ("_kept", "_parts", "sent", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._parts: list[bytes] = []
        self._kept = memoryview(b"")
        self.sent = 0
        """Bytes sent of the present answer."""

    @property
    def pending(self) -> int:
        """Bytes that are kept."""
        return len(self._kept) + sum(map(len, self._parts))

    def write(self, data: bytes) -> None:
        """Keep *data*, to be sent with the next :meth:`flush`."""
        self._parts.append(data)

    def flush(self) -> bool:
        """Send as much as goes now; tell whether that was all. Raises :class:`ClientGone`."""
        try:
            while self._kept or self._parts:
                if not self._kept:
                    self._kept = memoryview(self._next())
                gone = self.sock.send(self._kept[:_BLOCK])
                self.sent += gone
                self._kept = self._kept[gone:]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return False
        except (OSError, ValueError) as exc:
            self.forget()
            raise ClientGone(f"the answer could not be sent: {exc}") from exc
        return True

    def _next(self) -> bytes:
        """What is sent next: all small pieces up to the first large one, or that one."""
        count = next((index for index, part in enumerate(self._parts) if len(part) >= _ALONE), len(self._parts)) or 1
        front = self._parts[:count]
        del self._parts[:count]
        return front[0] if count == 1 else b"".join(front)

    def forget(self) -> None:
        """Send nothing of what is kept."""
        self._parts.clear()
        self._kept = memoryview(b"")
