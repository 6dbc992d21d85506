"""The action ``api-call``: one GET request, of which only the success matters."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Mapping

from baremetal_interfaces import InvalidInput, Problem

_LONGEST = 60.0
"""Seconds for one request, and for the pause between two: an inspection waits for it."""
_MOST_RETRIES = 10


def call_api(
    url: str,
    headers: Mapping[str, str] | None = None,
    proxies: Mapping[str, str] | None = None,
    timeout: float = 5.0,
    retries: int = 3,
    backoff_factor: float = 0.3,
) -> None:
    """Send the request, again when it fails. Raises ``InvalidInput``, without the URL's query, which may hold a secret."""
    if not str(url).startswith(("http://", "https://")):
        raise InvalidInput([Problem("url", f"it is {str(url)[:64]!r}", "give one that begins with http:// or https://")])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(dict(proxies) if proxies else None))
    request = urllib.request.Request(url, headers=dict(headers or {}))
    attempts = 1 + min(max(int(retries), 0), _MOST_RETRIES)
    for attempt in range(attempts):
        try:
            with opener.open(request, timeout=min(float(timeout), _LONGEST)):
                return
        except (urllib.error.URLError, OSError) as exc:
            reason = getattr(exc, "reason", None) or exc
        if attempt + 1 < attempts:
            time.sleep(min(float(backoff_factor) * 2**attempt, _LONGEST))
    raise InvalidInput(f"api-call: {url.partition('?')[0]} could not be asked: {reason}")
