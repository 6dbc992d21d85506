"""Reader for the body of an HTTP request.

The event loop removes the body from the buffer of the connection as it arrives. A body of more than 64 KiB goes to a temporary
file. The application starts when the body is complete. The buffer of the connection then starts with the next request, even if
the application does not read the body.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Callable
from typing import IO

from baremetal_sdk.http.body_budget import BodyBudget
from baremetal_sdk.http.limits import HTTPLimits
from baremetal_sdk.http.request_head import HTTPError, RequestHead, build_too_large_error, check_trailer

_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})([ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?")
_PLAIN_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n")
_MAX_LINE_BYTES = 4096
_MAX_TRAILERS = 32
_MAX_EXTENSION_BYTES = 65536
"""Maximum bytes of all chunk extensions of a body. The server ignores their content (RFC 9112, section 7.1.1)."""
_MIN_EXTENSION_BYTES = 16
"""Minimum number of bytes counted for each chunk extension, even if it is shorter."""
_MAX_CHUNKS = 65536
_CHUNK_BATCH_SIZE = 256
"""Maximum number of complete chunks that one call parses. A client that sends one-byte chunks delays others by one batch only."""
_MAX_STEPS = 64
"""Maximum number of elements, such as a chunk size or a trailer line, that one call parses if chunks are not complete."""
_MAX_MEMORY_BYTES = 65536
"""Bytes of a body that stay in memory. A longer body goes to a temporary file."""


class RequestBody:
    """Parser and storage for the body of one request, with a Content-Length or in chunks.

    It removes the body from the buffer of the connection in pieces, and leaves the next request in the buffer. Content of more
    than 64 KiB is stored in a temporary file, and its bytes are charged to *budget*.
    """

    def __init__(self, head: RequestHead, limits: HTTPLimits, budget: BodyBudget) -> None:
        self._max_bytes = head.max_body_bytes
        self._budget = budget
        self._spooled_bytes = 0
        self._left = head.content_length
        """Bytes still to come of the current chunk, or of the body if it has a Content-Length."""
        self._allowed = head.max_body_bytes
        """Number of bytes that further chunks may contain until the body is too large."""
        self._trailers = self._extension_bytes = self._chunks = 0
        # The parser is a state machine. A step takes one element and returns False if it is incomplete.
        self._next_step: Callable[[bytearray], bool] | None = None
        if head.chunked:
            self._next_step = self._read_chunk_size
        elif head.content_length:
            self._next_step = self._read_content
        self._chunked = head.chunked
        self.content: IO[bytes] = io.BytesIO()
        self.size = 0
        """Bytes of content so far."""
        self.received = 0
        """Bytes taken off the connection so far, including sizes of chunks and trailers."""
        self.is_paused = False
        """True if :meth:`feed` stopped at its limit of work. The next call continues with the rest of the buffer."""

    @property
    def is_complete(self) -> bool:
        """True if the whole body has arrived."""
        return self._next_step is None

    def feed(self, buffer: bytearray) -> bool:
        """Move a limited part of the body from the front of *buffer* to the content. Return whether the body is complete.

        Raises :class:`HTTPError` for a body that is malformed or too large, or that cannot be stored.
        """
        before = len(buffer)
        is_full_batch = self._next_step == self._read_chunk_size and self._read_chunks(buffer) == _CHUNK_BATCH_SIZE
        self.is_paused = is_full_batch
        if not is_full_batch:
            self._run_steps(buffer)
        self.received += before - len(buffer)
        if self._next_step is None:
            self.content.seek(0)
        return self._next_step is None

    def close(self) -> None:
        """Discard the content, including a temporary file, and refund its bytes to the budget."""
        self.content.close()
        self._budget.charge(-self._spooled_bytes)
        self._spooled_bytes = 0

    def _run_steps(self, buffer: bytearray) -> None:
        for _ in range(_MAX_STEPS):
            if self._next_step is None or not self._next_step(buffer):
                return
        self.is_paused = self._next_step is not None

    def _read_chunks(self, buffer: bytearray) -> int:
        """Move a batch of complete chunks without extensions from *buffer* to the content. Return their number.

        A batch costs less work per chunk than the steps of the parser, which handle all other input.
        """
        pieces: list[bytearray] = []
        position = 0
        while len(pieces) < _CHUNK_BATCH_SIZE and (match := _PLAIN_CHUNK_SIZE.match(buffer, position)):
            start = match.end()
            end = start + int(match[1], 16)
            if end == start or not buffer.startswith(b"\r\n", end):
                break
            pieces.append(buffer[start:end])
            position = end + 2
        if pieces:
            content = b"".join(pieces)
            self._count_chunks(len(pieces), len(content))
            del buffer[:position]
            self._store(content)
        return len(pieces)

    def _count_chunks(self, count: int, size: int) -> None:
        self._chunks += count
        # Tiny chunks cost much more work than their bytes, so their number is limited, too.
        if self._chunks > _MAX_CHUNKS:
            raise HTTPError(400, f"the body of the request has too many chunks; the limit is {_MAX_CHUNKS}")
        self._allowed -= size
        if self._allowed < 0:
            raise build_too_large_error(self._max_bytes)

    def _read_content(self, buffer: bytearray) -> bool:
        piece = buffer[: self._left]
        del buffer[: len(piece)]
        self._store(piece)
        self._left -= len(piece)
        if self._left:
            return False
        self._next_step = self._read_chunk_end if self._chunked else None
        return True

    def _store(self, piece: bytes | bytearray) -> None:
        self.size += len(piece)
        try:
            if self.size > _MAX_MEMORY_BYTES and isinstance(self.content, io.BytesIO):
                spooled = tempfile.TemporaryFile()  # noqa: SIM115  (close() closes it)
                spooled.write(self.content.getvalue())
                self.content = spooled
            self.content.write(piece)
            if self.size > _MAX_MEMORY_BYTES:
                self._budget.charge(self.size - self._spooled_bytes)
                self._spooled_bytes = self.size
        except OSError as exc:
            raise HTTPError(503, f"the body of the request could not be stored: {exc.strerror}; try again later") from exc

    def _read_chunk_size(self, buffer: bytearray) -> bool:
        line = _take_line(buffer)
        if line is None:
            return False
        match = _CHUNK_SIZE.fullmatch(line)
        if match is None:
            raise HTTPError(400, "the body of the request is malformed: the size of a chunk is not a hexadecimal number")
        self._extension_bytes += max(len(match[2]), _MIN_EXTENSION_BYTES) if match[2] else 0
        if self._extension_bytes > _MAX_EXTENSION_BYTES:
            raise HTTPError(400, f"the extensions of chunks are too large; the limit is {_MAX_EXTENSION_BYTES} bytes")
        self._left = int(match[1], 16)
        self._count_chunks(1, self._left)
        self._next_step = self._read_content if self._left else self._read_trailer
        return True

    def _read_chunk_end(self, buffer: bytearray) -> bool:
        if len(buffer) < 2 and b"\r\n".startswith(buffer):
            return False
        if not buffer.startswith(b"\r\n"):
            raise HTTPError(400, "the body of the request is malformed: a chunk is longer than its size")
        del buffer[:2]
        self._next_step = self._read_chunk_size
        return True

    def _read_trailer(self, buffer: bytearray) -> bool:
        line = _take_line(buffer)
        if line is None:
            return False
        self._trailers += 1
        if self._trailers > _MAX_TRAILERS:
            raise HTTPError(400, f"the trailer of the request has too many lines; the limit is {_MAX_TRAILERS}")
        if line:
            check_trailer(line)
        else:
            self._next_step = None
        return True


def _take_line(buffer: bytearray) -> bytes | None:
    """Take a line off the front of *buffer* and return it without CR LF, or return None if it is incomplete.

    Raises :class:`HTTPError` if the line is too long or ends without CR.
    """
    end = buffer.find(b"\n", 0, _MAX_LINE_BYTES)
    if end < 0:
        if len(buffer) >= _MAX_LINE_BYTES:
            raise HTTPError(400, f"a line in the body of the request is too long; the limit is {_MAX_LINE_BYTES} bytes")
        return None
    if end == 0 or buffer[end - 1] != 0x0D:
        raise HTTPError(400, "lines in the body of a request have to end in CR LF")
    line = bytes(buffer[: end - 1])
    del buffer[: end + 1]
    return line
