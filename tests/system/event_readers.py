"""Readers of the stream of events, each on a connection of its own."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 30.0


class EventReader(threading.Thread):
    """Reads a stream until it ends, and remembers how it did; *cursor* is where it goes on."""

    def __init__(self, url: str, cursor: str | None = None, query: str = "", context: ssl.SSLContext | None = None) -> None:
        super().__init__(daemon=True)
        parts = urlsplit(url)
        host = str(parts.hostname)
        if parts.scheme == "https":
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, parts.port, timeout=PATIENCE, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(host, parts.port, timeout=PATIENCE)
        self.cursor = cursor
        self.events: list[tuple[str, str, dict[str, Any]]] = []
        """Id, type and content of each event."""
        self.end: str | None = None
        """How it ended: ``whole`` when the server said that nothing more comes."""
        headers = {} if cursor is None else {"Last-Event-ID": cursor}
        self._connection.request("GET", f"/v1/events/stream{query}", headers=headers)
        self._response = self._connection.getresponse()
        self.status = self._response.status
        if self.status == 200:
            self._block()
            self.start()

    def run(self) -> None:
        """Read to the end."""
        try:
            while self._block():
                pass
            self.end = "whole"
        except (OSError, http.client.HTTPException) as exc:
            self.end = type(exc).__name__
        self._connection.close()

    def leave(self) -> None:
        """Break off."""
        self._response.close()
        self._connection.close()

    def _block(self) -> bool:
        """Read up to an empty line; whether there was anything."""
        fields: dict[str, str] = {}
        while (line := self._response.readline()) not in (b"\n", b""):
            name, _, value = line.decode().rstrip("\n").partition(": ")
            fields[name] = value
        if "id" in fields:
            if "data" in fields:
                self.events.append((fields["id"], fields["event"], json.loads(fields["data"])))
            self.cursor = fields["id"]
        return line != b""
