"""Errors of Redfish requests, as subclasses of sushy's exceptions, and what their responses say."""

from __future__ import annotations

from typing import Any

import sushy.exceptions

from baremetal_interfaces.http import HTTPSessionError

_BUSY_STATUSES = frozenset({429, 503})
_BUSY_MESSAGES = (
    # Base message registry (DSP8011).
    "ServiceTemporarilyUnavailable",
    "ServiceInUnknownState",
    "ResourceInUse",
    "SessionLimitExceeded",
    "CreateLimitReachedForResource",
    # iDRAC: its data sources are unavailable, during its start or right after a change.
    "SYS518",
    # iLO: the machine is in its power-on self-test.
    "InvalidOperationForSystemState",
)


class TransportFailed(sushy.exceptions.ConnectionError):  # type: ignore[misc]
    """The service sent no response or no usable one; *failure* is the error of the HTTP client."""

    def __init__(self, failure: HTTPSessionError) -> None:
        super().__init__(message=str(failure))
        self.failure = failure


class CredentialsRefused(sushy.exceptions.AccessError):  # type: ignore[misc]
    """The account or its password is wrong. With *anonymous* the request was sent without one, and the service requires one."""

    def __init__(self, method: str, url: str, response: Any, *, anonymous: bool = False) -> None:
        super().__init__(method, url, response)
        remedy = "it needs an account; set" if anonymous else "check"
        message = f"{method} {url} was answered with {self.status_code}; {remedy} redfish_username and redfish_password"
        _replace_message(self, message)


class SessionExpired(sushy.exceptions.AccessError):  # type: ignore[misc]
    """The service no longer accepts the session's token."""

    def __init__(self, method: str, url: str, response: Any) -> None:
        super().__init__(method, url, response)
        _replace_message(self, f"{method} {url}: the session's token is no longer accepted")


class PrivilegeMissing(sushy.exceptions.AccessError):  # type: ignore[misc]
    """The account is valid but lacks the privilege for the request."""

    def __init__(self, method: str, url: str, response: Any) -> None:
        super().__init__(method, url, response)
        _replace_message(self, f"{method} {url} is forbidden to this account; give the account of redfish_username the privilege")


def _replace_message(exc: Any, message: str) -> None:
    detail = f" ({exc.detail})" if exc.detail else ""
    exc.message = message + detail
    exc.args = (exc.message,)


def get_message_ids(exc: sushy.exceptions.HTTPError) -> tuple[str, ...]:
    """Return the code of an error response and the identifiers of its messages."""
    messages = exc.extended_info if isinstance(exc.extended_info, list) else []
    return (str(exc.code), *(str(message.get("MessageId", "")) for message in messages))


def is_busy(exc: sushy.exceptions.HTTPError) -> bool:
    """Return whether the status or the messages of an error response say that the service is busy and may accept it later."""
    if exc.status_code in _BUSY_STATUSES:
        return True
    identifiers = get_message_ids(exc)
    return any(name in identifier for identifier in identifiers for name in _BUSY_MESSAGES)


def describe_error(exc: sushy.exceptions.HTTPError) -> str:
    """Return the service's description of an error, or its HTTP status."""
    return str(exc.detail) if exc.detail else f"HTTP status {exc.status_code}"
