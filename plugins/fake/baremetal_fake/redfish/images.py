"""The check that an image exists, which a BMC makes before it inserts the image."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from urllib.parse import urlsplit

from baremetal_fake.redfish.errors import RedfishError

TIMEOUT_S = 10.0
"""Seconds that the server of an image may take to answer."""


async def check_image(url: str) -> None:
    """Raise RedfishError unless the image at *url* exists. The request runs on a thread, because the server may be slow."""
    await asyncio.get_running_loop().run_in_executor(None, probe, url)


def probe(url: str) -> None:
    """Send HEAD for *url*, or GET for its first byte if the server does not support HEAD; raise RedfishError."""
    try:
        status = _status(url, "HEAD", {})
        if status in (403, 405, 501):
            status = _status(url, "GET", {"Range": "bytes=0-0"})
    except (OSError, http.client.HTTPException, ValueError) as exc:
        text = f"The service could not establish a connection with the URI {url}: {exc or type(exc).__name__}."
        raise RedfishError(400, "CouldNotEstablishConnection", text, args=[url], related=["#/Image"]) from None
    if status in (401, 403):
        text = f"The service was denied access to the resource at the URI {url}."
        raise RedfishError(400, "ResourceAtUriUnauthorized", text, args=[url, str(status)], related=["#/Image"])
    if status >= 300:
        text = f"The resource at the URI {url} was not found (HTTP {status})."
        message = "ResourceAtUriInUnknownFormat" if status < 400 else "ResourceMissingAtURI"
        raise RedfishError(400, message, text, args=[url], related=["#/Image"])


def _status(url: str, method: str, headers: dict[str, str]) -> int:
    parts = urlsplit(url)
    connection = _connection(parts.scheme, parts.hostname or "", parts.port)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path, headers={**headers, "Connection": "close"})
        return connection.getresponse().status
    finally:
        connection.close()


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "https":
        # BMCs do not verify the certificates of image servers unless they are configured to.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
    return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
