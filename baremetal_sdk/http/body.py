"""The body of a request: taken off the connection as it comes, and handed to the application as a whole.

Whatever the application makes of it, the connection is then where the next request begins.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Callable
from typing import IO

from baremetal_sdk.http.body_budget import BodyBudget
from baremetal_sdk.http.limits import HTTPLimits
from baremetal_sdk.http.request_head import HTTPError, RequestHead, check_trailer, too_large

_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})([ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?")
_PLAIN_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n")
_LONGEST_LINE = 4096
_MOST_TRAILERS = 32
_MOST_EXTENSIONS = 65536
"""Bytes in all extensions of chunks, which nobody here reads."""
_LEAST_EXTENSION = 16
"""Bytes that an extension counts for at least."""
_MOST_CHUNKS = 65536
_RUN = 256
"""Chunks that are taken at a time: whoever sends chunks of a byte each keeps others waiting no longer than that."""
_STEPS = 64
"""Parts of chunks, such as a size, that are taken at a time, where chunks are not taken as a whole."""
_IN_MEMORY = 65536
"""Bytes of a body that are kept in memory; a longer one goes to a temporary file."""


class RequestBody:
    """Takes the body of one request out of the buffer of a connection, piece by piece, and never a byte more."""

    def __init__(self, head: RequestHead, limits: HTTPLimits, room: BodyBudget) -> None:
        self._limits = limits
        self._room = room
        self._spooled = 0
        self._left = head.content_length
        self._allowed = limits.body_size
        self._trailers = self._extensions = self._chunks = 0
        self._next: Callable[[bytearray], bool] | None = None
        if head.chunked:
            self._next = self._chunk_size
        elif head.content_length:
            self._next = self._content
        self._chunked = head.chunked
        self.content: IO[bytes] = io.BytesIO()
        self.size = 0
        """Bytes of content so far."""
        self.received = 0
        """Bytes taken off the connection, what frames the content included."""
        self.paused = False
        """Whether more could be taken of what has arrived."""

    @property
    def complete(self) -> bool:
        """Whether all of it is there."""
        return self._next is None

    def feed(self, buffer: bytearray) -> bool:
        """Take what is the body's off the front of *buffer*, not all of it at once; tell whether it is complete.

        Raises :class:`HTTPError`.
        """
        before = len(buffer)
        self.paused = self._next == self._chunk_size and self._take_chunks(buffer) == _RUN
        if not self.paused:
            self._take_steps(buffer)
        self.received += before - len(buffer)
        if self._next is None:
            self.content.seek(0)
        return self._next is None

    def close(self) -> None:
        """Give up what is kept."""
        self.content.close()
        self._room.take(-self._spooled)
        self._spooled = 0

    def _take_steps(self, buffer: bytearray) -> None:
        for _ in range(_STEPS):
            if self._next is None or not self._next(buffer):
                return
        self.paused = self._next is not None

    def _take_chunks(self, buffer: bytearray) -> int:
        """Take chunks that are there as a whole, and tell how many; whatever is not plain is left to the steps."""
        pieces: list[bytearray] = []
        at = 0
        while len(pieces) < _RUN and (found := _PLAIN_SIZE.match(buffer, at)):
            start = found.end()
            end = start + int(found[1], 16)
            if end == start or not buffer.startswith(b"\r\n", end):
                break
            pieces.append(buffer[start:end])
            at = end + 2
        if pieces:
            content = b"".join(pieces)
            self._count_chunks(len(pieces), len(content))
            del buffer[:at]
            self._keep(content)
        return len(pieces)

    def _count_chunks(self, count: int, size: int) -> None:
        self._chunks += count
        if self._chunks > _MOST_CHUNKS:
            raise HTTPError(400, f"the body of the request is in too many chunks; {_MOST_CHUNKS} are taken at most")
        self._allowed -= size
        if self._allowed < 0:
            raise too_large(self._limits)

    def _content(self, buffer: bytearray) -> bool:
        piece = buffer[: self._left]
        del buffer[: len(piece)]
        self._keep(piece)
        self._left -= len(piece)
        if self._left:
            return False
        self._next = self._chunk_end if self._chunked else None
        return True

    def _keep(self, piece: bytes | bytearray) -> None:
        self.size += len(piece)
        try:
            if self.size > _IN_MEMORY and isinstance(self.content, io.BytesIO):
                spooled = tempfile.TemporaryFile()  # noqa: SIM115  (it is closed with the request)
                spooled.write(self.content.getvalue())
                self.content = spooled
            self.content.write(piece)
            if self.size > _IN_MEMORY:
                self._room.take(self.size - self._spooled)
                self._spooled = self.size
        except OSError as exc:
            raise HTTPError(503, f"there is no room for the body of the request: {exc.strerror}") from exc

    def _chunk_size(self, buffer: bytearray) -> bool:
        line = _take_line(buffer)
        if line is None:
            return False
        found = _CHUNK_SIZE.fullmatch(line)
        if found is None:
            raise HTTPError(400, "the size of a chunk is not in hexadecimal")
        self._extensions += max(len(found[2]), _LEAST_EXTENSION) if found[2] else 0
        if self._extensions > _MOST_EXTENSIONS:
            raise HTTPError(400, "the extensions of chunks are too large")
        self._left = int(found[1], 16)
        self._count_chunks(1, self._left)
        self._next = self._content if self._left else self._trailer
        return True

    def _chunk_end(self, buffer: bytearray) -> bool:
        if len(buffer) < 2 and b"\r\n".startswith(buffer):
            return False
        if not buffer.startswith(b"\r\n"):
            raise HTTPError(400, "a chunk is longer than its size")
        del buffer[:2]
        self._next = self._chunk_size
        return True

    def _trailer(self, buffer: bytearray) -> bool:
        line = _take_line(buffer)
        if line is None:
            return False
        self._trailers += 1
        if self._trailers > _MOST_TRAILERS:
            raise HTTPError(400, "the trailer of the request is too large")
        if line:
            check_trailer(line)
        else:
            self._next = None
        return True


def _take_line(buffer: bytearray) -> bytes | None:
    end = buffer.find(b"\n", 0, _LONGEST_LINE)
    if end < 0:
        if len(buffer) >= _LONGEST_LINE:
            raise HTTPError(400, "a line in the body of the request is too long")
        return None
    if end == 0 or buffer[end - 1] != 0x0D:
        raise HTTPError(400, "lines in the body of a request have to end in CR LF")
    line = bytes(buffer[: end - 1])
    del buffer[: end + 1]
    return line
