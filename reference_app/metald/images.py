"""A boot image over HTTP on loopback, for BMCs that fetch what they insert as virtual media."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_SECTOR = 2048
_NAME = "/boot.iso"


@dataclass
class ServedImage:
    """The image and how often it was asked for."""

    url: str = ""
    content: bytes = b""
    _asked: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def asked(self) -> int:
        """How many times it was asked for. Some BMCs ask for its size alone at first."""
        return self._asked

    def count(self) -> None:
        """Note that it was asked for once more."""
        with self._lock:
            self._asked += 1


def empty_iso() -> bytes:
    """An image with the volume descriptors of ISO 9660 (ECMA-119, clauses 8.1 and 8.3) and nothing to boot."""
    primary = b"\x01CD001\x01\x00" + b" " * 32 + b"METALD DEMO".ljust(32)
    terminator = b"\xffCD001\x01"
    return bytes(16 * _SECTOR) + primary.ljust(_SECTOR, b"\x00") + terminator.ljust(_SECTOR, b"\x00")


@contextmanager
def served(content: bytes) -> Iterator[ServedImage]:
    """Serve *content* on a free loopback port until the block is left."""
    image = ServedImage(content=content)

    class Handler(BaseHTTPRequestHandler):
        """Answers GET and HEAD for the one image."""

        def do_GET(self) -> None:
            if self._head():
                self.wfile.write(image.content)

        def do_HEAD(self) -> None:
            self._head()

        def _head(self) -> bool:
            found = self.path == _NAME
            if found:
                image.count()
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(image.content)) if found else "0")
            self.send_header("Content-Type", "application/octet-stream")
            self.end_headers()
            return found

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the display has the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        image.url = f"http://127.0.0.1:{server.server_port}{_NAME}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="boot-image", daemon=True)
        thread.start()
        try:
            yield image
        finally:
            server.shutdown()
            thread.join()
