"""Error classes of the HTTP API, and the conversion of errors to response bodies and headers."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any, Literal, NotRequired, TypedDict

import orjson

from baremetal_interfaces import BareMetalError, InvalidInput, NotFound
from baremetal_sdk.errors import StoreFull, StoreUnavailable


class PathNotFound(NotFound):
    """Error of status 404: the path has no route in the requested version of the API."""


class MethodNotAllowed(BareMetalError):
    """Error of status 405: the path has no route for the method. *allowed* has the methods of the path."""

    code = 405

    def __init__(self, message: str, allowed: tuple[str, ...]) -> None:
        super().__init__(message)
        self.allowed = allowed


class NotAcceptable(BareMetalError):
    """Error of status 406: the request uses something that only a later version of the API has."""

    code = 406


class UnsupportedVersion(BareMetalError):
    """Error of status 406: the service does not have the requested version of the API.

    The body of its response differs from that of other errors, as in Ironic.
    """

    code = 406


class RequestTooLarge(BareMetalError):
    """Error of status 413: the body of the request is larger than the limit."""

    code = 413


class UnsupportedContent(BareMetalError):
    """Error of status 415: the content type of the request is not JSON."""

    code = 415


class VersionTooOldForMethod(BareMetalError):
    """Error of status 405: the path has the method only in a later version. For some resources Ironic uses 405 instead of 404."""

    code = 405


class ErrorBody(TypedDict):
    """Content of the JSON text in an error response. Each problem has the keys ``field``, ``wrong`` and ``allowed``."""

    faultcode: Literal["Client", "Server"]
    faultstring: str
    debuginfo: None
    problems: NotRequired[list[dict[str, str]]]


def to_api_error(error: Exception) -> BareMetalError:
    """Return *error* in the form for clients: without the place of the database, and without details of an internal error."""
    if isinstance(error, StoreUnavailable):
        return hide_store(error)
    if isinstance(error, BareMetalError):
        return error
    return BareMetalError("internal error; the log of the service has the cause under the ID of this request")


def hide_store(error: StoreUnavailable) -> StoreUnavailable:
    """Return the error for clients: its text does not name the account, host and port of the database."""
    if isinstance(error, StoreFull):
        return StoreFull("the disk of the database is full; the change was not made", retry_after=error.retry_after)
    return StoreUnavailable("the database of the service cannot be used; try again later", retry_after=error.retry_after)


def to_invalid_input(error: NotFound, field: str) -> InvalidInput:
    """Return an error of status 400 for a *field* that names an unknown object. Status 404 would mean an unknown path."""
    return InvalidInput(f"{field}: {error.message}")


def build_body(error: BareMetalError, code: int | None = None) -> bytes:
    """Return the body of an error response: a JSON text inside a JSON object, as in Ironic.

    *code* is the HTTP status if it differs from that of *error*.
    """
    status = error.code if code is None else code
    if isinstance(error, UnsupportedVersion):
        inner: Any = {"code": status, "title": HTTPStatus(status).phrase, "description": error.message}
    else:
        inner = describe_error(error, status)
    return orjson.dumps({"error_message": orjson.dumps(inner, default=str).decode()})


def describe_error(error: BareMetalError, code: int | None = None) -> ErrorBody:
    """Return *error* in the form for clients, with all its problems. *code* is the HTTP status if it differs."""
    status = error.code if code is None else code
    inner: ErrorBody = {
        "faultcode": "Client" if status < 500 else "Server",
        "faultstring": error.message,
        "debuginfo": None,
    }
    if isinstance(error, InvalidInput) and error.problems:
        inner["problems"] = [problem._asdict() for problem in error.problems]
    return inner


def build_headers(error: BareMetalError) -> list[tuple[str, str]]:
    """Return the additional response headers for *error*: ``Retry-After`` for a later retry, ``Allow`` for a wrong method."""
    response_headers: list[tuple[str, str]] = []
    if error.retry_after is not None:
        # HTTP has whole seconds only. Zero would make clients retry without a pause.
        response_headers.append(("Retry-After", str(max(1, math.ceil(error.retry_after)))))
    if isinstance(error, MethodNotAllowed):
        response_headers.append(("Allow", ", ".join(error.allowed)))
    return response_headers
