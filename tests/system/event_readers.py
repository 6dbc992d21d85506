"""Readers of the event stream, each with a separate connection."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 30.0


class EventReader(threading.Thread):
    """Reads a stream until its end and keeps the events. *cursor* is the ID of the last event, for the next reader."""

    def __init__(self, url: str, cursor: str | None = None, query: str = "", context: ssl.SSLContext | None = None) -> None:
        super().__init__(daemon=True)
        parts = urlsplit(url)
        host = str(parts.hostname)
        if parts.scheme == "https":
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, parts.port, timeout=TIMEOUT_S, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_S)
        self.cursor = cursor
        self.events: list[tuple[str, str, dict[str, Any]]] = []
        """ID, type and content of each event."""
        self.end: str | None = None
        """``whole`` if the server ended the stream properly, otherwise the name of the error."""
        headers = {} if cursor is None else {"Last-Event-ID": cursor}
        self._connection.request("GET", f"/v1/events/stream{query}", headers=headers)
        self._response = self._connection.getresponse()
        self.status = self._response.status
        if self.status == 200:
            self._read_block()
            self.start()

    def run(self) -> None:
        """Read the stream until its end."""
        try:
            while self._read_block():
                pass
            self.end = "whole"
        except (OSError, http.client.HTTPException) as exc:
            self.end = type(exc).__name__
        self._connection.close()

    def disconnect(self) -> None:
        """Close the connection without reading the rest."""
        self._response.close()
        self._connection.close()

    def _read_block(self) -> bool:
        """Read up to an empty line. Return False at the end of the stream."""
        fields: dict[str, str] = {}
        while (line := self._response.readline()) not in (b"\n", b""):
            name, _, value = line.decode().rstrip("\n").partition(": ")
            fields[name] = value
        if "id" in fields:
            if "data" in fields:
                self.events.append((fields["id"], fields["event"], json.loads(fields["data"])))
            self.cursor = fields["id"]
        return line != b""
