"""Output buffer of a connection. It sends as much as the client takes and keeps the rest."""

from __future__ import annotations

import socket
import ssl

_MAX_SEND_BYTES = 262144
"""Maximum bytes in one call of ``send``."""
_SEPARATE_PIECE_BYTES = 65536
"""Minimum size of a piece that is sent by itself. Joining it with others would copy it while it holds the interpreter lock."""


class ClientGone(OSError):
    """The client closed or broke the connection, or read too slowly. No response can reach it."""


class OutputBuffer:
    """Unsent output of one connection. No method blocks."""

    __slots__ = ("_current", "_pieces", "sent", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._pieces: list[bytes] = []
        self._current = memoryview(b"")
        self.sent = 0
        """Bytes of the current response that were sent."""

    @property
    def pending(self) -> int:
        """Number of unsent bytes."""
        return len(self._current) + sum(map(len, self._pieces))

    def write(self, data: bytes) -> None:
        """Append *data*. The next :meth:`flush` sends it."""
        self._pieces.append(data)

    def flush(self) -> bool:
        """Send as much as the socket takes now. Return whether the buffer is empty.

        Raises :class:`ClientGone` and discards the output if the connection is broken.
        """
        try:
            while self._current or self._pieces:
                if not self._current:
                    self._current = memoryview(self._take_next_block())
                # Slices of a memoryview copy nothing.
                count = self.sock.send(self._current[:_MAX_SEND_BYTES])
                self.sent += count
                self._current = self._current[count:]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return False
        except (OSError, ValueError) as exc:
            self.clear()
            raise ClientGone(f"the response could not be sent: {exc}") from exc
        return True

    def _take_next_block(self) -> bytes:
        """Remove and return the small pieces before the first large one, joined; or the large one if it is first."""
        count = next(
            (index for index, piece in enumerate(self._pieces) if len(piece) >= _SEPARATE_PIECE_BYTES), len(self._pieces)
        )
        count = max(count, 1)
        block = self._pieces[:count]
        del self._pieces[:count]
        return block[0] if count == 1 else b"".join(block)

    def clear(self) -> None:
        """Discard the unsent bytes."""
        self._pieces.clear()
        self._current = memoryview(b"")
