"""Image check of a simulated Redfish BMC: before the BMC inserts an image, it asks the image server whether the image exists."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from urllib.parse import urlsplit

from baremetal_fake.redfish.errors import RedfishError

TIMEOUT_S = 10.0
"""Maximum seconds to wait for the image server to connect or answer."""


async def check_image(url: str) -> None:
    """Raise RedfishError unless the image at *url* exists.

    The request runs on another thread and does not block the event loop.
    """
    await asyncio.get_running_loop().run_in_executor(None, probe, url)


def probe(url: str) -> None:
    """Ask the image server whether the image at *url* exists; raise RedfishError if it does not or if the server does not answer.

    The request is HEAD. If the server refuses HEAD (403, 405, 501), a GET for the first byte follows. This function blocks.
    """
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
    """Send a request to *url* and return the HTTP status of the response."""
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
