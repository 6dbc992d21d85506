"""Action ``api-call`` of inspection rules: a GET request whose response body is ignored."""

from __future__ import annotations

import contextlib
import http.client
import queue
import socket
import threading
import time
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from baremetal_interfaces import Deadline, InvalidInput, Problem

_MAX_DURATION_S = 60.0
"""Maximum timeout of a request, and maximum pause between two requests, because the inspection waits for both."""
_MAX_TOTAL_S = 300.0
"""Maximum time of all requests and pauses together."""
_MAX_RETRIES = 10
_URL_CHARACTERS = "/%:@!$&'()*+,;=~-._?[]#"
"""Characters of a URL that are not quoted. The percent sign is one, because a URL may be quoted already."""


def call_api(
    url: str,
    headers: Mapping[str, str] | None = None,
    proxies: Mapping[str, str] | None = None,
    timeout: float = 5.0,
    retries: int = 3,
    backoff_factor: float = 0.3,
) -> None:
    """Send a GET request to *url*, and repeat it up to *retries* times if it fails or has an error status.

    *proxies* has the URL of the proxy by scheme. *timeout* is in seconds for one whole request with its redirects. The pause
    before a repetition is *backoff_factor* seconds, and doubles each time. The maximum is 10 repetitions, 60 seconds for each
    timeout and pause, and 300 seconds in total. Raises ``InvalidInput`` if all requests fail. The message omits the query of
    the URL, which may contain a secret.
    """
    if not str(url).startswith(("http://", "https://")):
        raise InvalidInput(
            [Problem("url", f"{str(url)[:64]!r} is not allowed", "use a URL that begins with http:// or https://")]
        )
    total = Deadline.after(_MAX_TOTAL_S)
    attempts = 1 + min(max(int(retries), 0), _MAX_RETRIES)
    for attempt in range(attempts):
        try:
            return _send(url, headers or {}, proxies, total.within(min(float(timeout), _MAX_DURATION_S)))
        # HTTPException and ValueError: the response is not HTTP, or the URL or a header is not valid.
        except (OSError, http.client.HTTPException, ValueError) as exc:
            reason = getattr(exc, "reason", None) or exc
        pause = min(float(backoff_factor) * 2**attempt, _MAX_DURATION_S)
        if attempt + 1 == attempts or pause >= total.remaining():
            break
        time.sleep(pause)
    raise InvalidInput(f"api-call: request to {url.partition('?')[0].rpartition('@')[2]} failed: {reason}")


def _send(url: str, headers: Mapping[str, str], proxies: Mapping[str, str] | None, deadline: Deadline) -> None:
    """Send one request and wait until *deadline* for its response.

    The timeout of ``urllib`` applies to each wait for a few bytes, and a server that sends one byte at a time would prolong
    the request without end. Therefore a thread sends the request, and its sockets are shut down at the deadline.
    """
    sockets: list[socket.socket] = []
    outcome: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler(dict(proxies) if proxies else None), _RecordingHandler(sockets)
    )
    request = urllib.request.Request(quote(url, safe=_URL_CHARACTERS), headers=dict(headers))

    def run() -> None:
        try:
            opener.open(request, timeout=max(0.001, deadline.remaining())).close()
            outcome.put(None)
        except Exception as exc:
            outcome.put(exc)

    threading.Thread(target=run, name="api-call", daemon=True).start()
    try:
        failure = outcome.get(timeout=max(0.0, deadline.remaining()))
    except queue.Empty:
        failure = TimeoutError("the server did not respond in time")
        for sock in list(sockets):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
    if failure is not None:
        raise failure


class _RecordingHandler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Handler of both schemes that appends the socket of each connection to *sockets*."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self._sockets = sockets

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._record(http.client.HTTPConnection), req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._record(http.client.HTTPSConnection), req)

    def _record(self, kind: type[http.client.HTTPConnection]) -> Any:
        sockets = self._sockets

        class Recorded(kind):  # type: ignore[misc, valid-type]
            def connect(self) -> None:
                super().connect()
                sockets.append(self.sock)

        return Recorded
