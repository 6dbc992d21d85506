"""HTTP server on loopback for the boot image of the demonstration, which BMCs fetch as virtual media."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_SECTOR_BYTES = 2048
_IMAGE_PATH = "/boot.iso"


@dataclass
class ServedImage:
    """A boot image that :func:`serve_image` serves: its content, its URL and the number of requests for it. Thread-safe."""

    url: str = ""
    content: bytes = b""
    _request_count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def request_count(self) -> int:
        """Number of GET and HEAD requests for the image. Some BMCs request the size before the content."""
        return self._request_count

    def count_request(self) -> None:
        """Count one request for the image."""
        with self._lock:
            self._request_count += 1


def build_empty_iso() -> bytes:
    """Return the bytes of an ISO image without files.

    It holds only volume descriptors (ISO 9660; ECMA-119, clauses 8.1 and 8.3).
    """
    primary = b"\x01CD001\x01\x00" + b" " * 32 + b"METALD DEMO".ljust(32)
    terminator = b"\xffCD001\x01"
    return bytes(16 * _SECTOR_BYTES) + primary.ljust(_SECTOR_BYTES, b"\x00") + terminator.ljust(_SECTOR_BYTES, b"\x00")


@contextmanager
def serve_image(content: bytes) -> Iterator[ServedImage]:
    """Serve *content* as a boot image at a free loopback port until the ``with`` block ends; yield the image with its URL."""
    image = ServedImage(content=content)

    class Handler(BaseHTTPRequestHandler):
        """HTTP handler that answers GET and HEAD requests for the image, and 404 for other paths."""

        def do_GET(self) -> None:
            if self._head():
                self.wfile.write(image.content)

        def do_HEAD(self) -> None:
            self._head()

        def _head(self) -> bool:
            found = self.path == _IMAGE_PATH
            if found:
                image.count_request()
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(image.content)) if found else "0")
            self.send_header("Content-Type", "application/octet-stream")
            self.end_headers()
            return found

        def log_message(self, format: str, *args: object) -> None:
            """Suppress the log of requests, because the display of the demonstration owns the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        image.url = f"http://127.0.0.1:{server.server_port}{_IMAGE_PATH}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="boot-image", daemon=True)
        thread.start()
        try:
            yield image
        finally:
            server.shutdown()
            thread.join()
