"""Answers that the HTTP server gives in the application's place, in the clients' format."""

from __future__ import annotations

from http import HTTPStatus

from baremetal_interfaces import BareMetalError
from baremetal_sdk.api import errors
from baremetal_sdk.api.versions import RANGE_HEADERS


def refusal(status: int, reason: str, request_id: str | None = None) -> bytes:
    """A whole answer, after which the connection ends."""
    body = errors.body(BareMetalError(reason), status)
    head = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    head += ["Connection: close", *(f"{name}: {value}" for name, value in RANGE_HEADERS)]
    if request_id is not None:
        head += [f"x-openstack-request-id: {request_id}", f"openstack-request-id: {request_id}"]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        head.append("Retry-After: 1")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body
