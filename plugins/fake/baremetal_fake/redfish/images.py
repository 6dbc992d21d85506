"""Whether an image is there: a BMC looks before it says that it inserted it."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from urllib.parse import urlsplit

from baremetal_fake.redfish.errors import RedfishError

SECONDS = 10.0
"""How long the server of an image may take."""


async def check_image(url: str) -> None:
    """Raise RedfishError unless the server of *url* has it. It asks on a thread: that server may be a slow one."""
    await asyncio.get_running_loop().run_in_executor(None, look_at, url)


def look_at(url: str) -> None:
    """Ask for the header of *url*, and for its first byte where the server does not take HEAD."""
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
        # BMCs do not verify the servers of images unless they are told to.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(host, port, timeout=SECONDS, context=context)
    return http.client.HTTPConnection(host, port, timeout=SECONDS)
