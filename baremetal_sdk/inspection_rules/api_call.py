"""Action ``api-call`` of inspection rules: a GET request whose response body is ignored."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Mapping

from baremetal_interfaces import InvalidInput, Problem

_MAX_DURATION_S = 60.0
"""Maximum timeout of a request, and maximum pause between two requests, because the inspection waits for both."""
_MAX_RETRIES = 10


def call_api(
    url: str,
    headers: Mapping[str, str] | None = None,
    proxies: Mapping[str, str] | None = None,
    timeout: float = 5.0,
    retries: int = 3,
    backoff_factor: float = 0.3,
) -> None:
    """Send a GET request to *url*, and repeat it up to *retries* times if it fails or has an error status.

    *proxies* has the URL of the proxy by scheme. *timeout* is in seconds for one request. The pause before a repetition is
    *backoff_factor* seconds, and doubles each time. The maximum is 10 repetitions and 60 seconds for each timeout and pause.
    Raises ``InvalidInput`` if all requests fail. The message omits the query of the URL, which may contain a secret.
    """
    if not str(url).startswith(("http://", "https://")):
        raise InvalidInput(
            [Problem("url", f"{str(url)[:64]!r} is not allowed", "use a URL that begins with http:// or https://")]
        )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(dict(proxies) if proxies else None))
    request = urllib.request.Request(url, headers=dict(headers or {}))
    attempts = 1 + min(max(int(retries), 0), _MAX_RETRIES)
    for attempt in range(attempts):
        try:
            with opener.open(request, timeout=min(float(timeout), _MAX_DURATION_S)):
                return
        except (urllib.error.URLError, OSError) as exc:
            reason = getattr(exc, "reason", None) or exc
        if attempt + 1 < attempts:
            time.sleep(min(float(backoff_factor) * 2**attempt, _MAX_DURATION_S))
    raise InvalidInput(f"api-call: request to {url.partition('?')[0]} failed: {reason}")
