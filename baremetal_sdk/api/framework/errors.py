"""Refusals that only an HTTP API has, and the one shape in which every error goes to clients."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any, Literal, NotRequired, TypedDict

import orjson

from baremetal_interfaces import BareMetalError, InvalidInput, NotFound


class PathNotFound(NotFound):
    """Nothing is served at this path, or not in the requested version of the API."""


class MethodNotAllowed(BareMetalError):
    """The path is served, but not with this method. *allowed* are the methods it is served with."""

    code = 405

    def __init__(self, message: str, allowed: tuple[str, ...]) -> None:
        super().__init__(message)
        self.allowed = allowed


class NotAcceptable(BareMetalError):
    """This needs a later version of the API than the request named."""

    code = 406


class UnsupportedVersion(BareMetalError):
    """The requested version of the API is not served at all; its body has a shape of its own."""

    code = 406


class RequestTooLarge(BareMetalError):
    """The body of the request is larger than what is taken."""

    code = 413


class UnsupportedContent(BareMetalError):
    """The body of the request is not JSON."""

    code = 415


class VersionTooOldForMethod(BareMetalError):
    """The method came with a later version of the API; clients know this answer for some resources."""

    code = 405


class ErrorBody(TypedDict):
    """Why a request was refused or failed, with each problem that there is: field, what is wrong, what is allowed."""

    faultcode: Literal["Client", "Server"]
    faultstring: str
    debuginfo: None
    problems: NotRequired[list[dict[str, str]]]


def to_api_error(error: Exception) -> BareMetalError:
    """*error* itself where it is of the contract's tree, else an internal error that tells nothing about the inside."""
    if isinstance(error, BareMetalError):
        return error
    return BareMetalError("an internal error happened; the service's log has it under this request's id")


def to_invalid_input(error: NotFound, field: str) -> InvalidInput:
    """The refusal of a request whose *field* names a thing that there is not: 404 would speak of the path."""
    return InvalidInput(f"{field}: {error.message}")


def body(error: BareMetalError, code: int | None = None) -> bytes:
    """The body that clients parse: a JSON text inside a JSON object. *code* is the HTTP status where it is not the error's."""
    status = error.code if code is None else code
    if isinstance(error, UnsupportedVersion):
        inner: Any = {"code": status, "title": HTTPStatus(status).phrase, "description": error.message}
    else:
        inner = describe_error(error, status)
    return orjson.dumps({"error_message": orjson.dumps(inner, default=str).decode()})


def describe_error(error: BareMetalError, code: int | None = None) -> ErrorBody:
    """What clients are told of *error*, with all that is wrong."""
    status = error.code if code is None else code
    inner: ErrorBody = {
        "faultcode": "Client" if status < 500 else "Server",
        "faultstring": error.message,
        "debuginfo": None,
    }
    problems = getattr(error, "problems", ())
    if problems:
        inner["problems"] = [problem._asdict() for problem in problems]
    return inner


def headers(error: BareMetalError) -> list[tuple[str, str]]:
    """The response headers that belong to *error*."""
    found: list[tuple[str, str]] = []
    if error.retry_after is not None:
        found.append(("Retry-After", str(max(1, math.ceil(error.retry_after)))))
    if isinstance(error, MethodNotAllowed):
        found.append(("Allow", ", ".join(error.allowed)))
    return found
