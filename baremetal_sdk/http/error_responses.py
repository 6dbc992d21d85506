"""Error responses of the server itself, in the format that clients of the Bare Metal API parse."""

from __future__ import annotations

from http import HTTPStatus

import orjson


def build_error_body(status: int, reason: str) -> bytes:
    """Return the body of an error response: a JSON text inside a JSON object, as Ironic's clients expect it."""
    inner = {"faultcode": "Client" if status < 500 else "Server", "faultstring": reason, "debuginfo": None}
    return orjson.dumps({"error_message": orjson.dumps(inner).decode()})


def format_status(status: int) -> str:
    """Return *status* with its phrase, as WSGI expects it (PEP 3333)."""
    return f"{status} {HTTPStatus(status).phrase}"


def build_error_response(status: int, reason: str, request_id: str | None = None, retry_after: float | None = None) -> bytes:
    """Return a complete error response that closes the connection. *retry_after* is in seconds and applies to status 503."""
    body = build_error_body(status, reason)
    head = [f"HTTP/1.1 {format_status(status)}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    head.append("Connection: close")
    if request_id is not None:
        head += [f"x-openstack-request-id: {request_id}", f"openstack-request-id: {request_id}"]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        head.append(f"Retry-After: {max(1, round(retry_after or 1))}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body
