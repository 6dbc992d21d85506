"""Answers that are given in the application's place, in the format of the Bare Metal API's clients."""

from __future__ import annotations

from http import HTTPStatus

import orjson


def error_body(status: int, reason: str) -> bytes:
    """The body that clients parse: a JSON text inside a JSON object."""
    inner = {"faultcode": "Client" if status < 500 else "Server", "faultstring": reason, "debuginfo": None}
    return orjson.dumps({"error_message": orjson.dumps(inner).decode()})


def status_line(status: int) -> str:
    """A status as WSGI wants it."""
    return f"{status} {HTTPStatus(status).phrase}"


def refusal(status: int, reason: str, request_id: str | None = None, retry_after: float | None = None) -> bytes:
    """A whole answer, after which the connection ends."""
    body = error_body(status, reason)
    head = [f"HTTP/1.1 {status_line(status)}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    head.append("Connection: close")
    if request_id is not None:
        head += [f"x-openstack-request-id: {request_id}", f"openstack-request-id: {request_id}"]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        head.append(f"Retry-After: {max(1, round(retry_after or 1))}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body
