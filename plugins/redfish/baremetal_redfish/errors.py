"""What goes wrong between us and a Redfish service, as exceptions that sushy's own code understands."""

from __future__ import annotations

from typing import Any

import sushy.exceptions

from baremetal_interfaces.http import HTTPSessionError

_BUSY_STATUS = frozenset({429, 503})
_BUSY_MESSAGES = (
    # Base message registry of the DMTF (DSP8011).
    "ServiceTemporarilyUnavailable",
    "ServiceInUnknownState",
    "ResourceInUse",
    "SessionLimitExceeded",
    "CreateLimitReachedForResource",
    # iDRAC: "data sources are unavailable", while it starts or right after a change.
    "SYS518",
    # iLO: the machine is in its power-on self-test.
    "InvalidOperationForSystemState",
)


class TransportFailed(sushy.exceptions.ConnectionError):  # type: ignore[misc]
    """No usable answer came; *failure* says why."""

    def __init__(self, failure: HTTPSessionError) -> None:
        super().__init__(message=str(failure))
        self.failure = failure


class CredentialsRefused(sushy.exceptions.AccessError):  # type: ignore[misc]
    """The account or its password is wrong, or there has to be one."""

    def __init__(self, method: str, url: str, response: Any, *, anonymous: bool = False) -> None:
        super().__init__(method, url, response)
        remedy = "it needs an account; set" if anonymous else "check"
        _reword(self, f"{method} {url} was answered with {self.status_code}; {remedy} redfish_username and redfish_password")


class SessionExpired(sushy.exceptions.AccessError):  # type: ignore[misc]
    """The session's token is no longer accepted."""

    def __init__(self, method: str, url: str, response: Any) -> None:
        super().__init__(method, url, response)
        _reword(self, f"{method} {url}: the session's token is no longer accepted")


class PrivilegeMissing(sushy.exceptions.AccessError):  # type: ignore[misc]
    """The account is right and may not do this."""

    def __init__(self, method: str, url: str, response: Any) -> None:
        super().__init__(method, url, response)
        _reword(self, f"{method} {url} is forbidden to this account; give that of redfish_username the privilege")


def _reword(exc: Any, message: str) -> None:
    said = f" ({exc.detail})" if exc.detail else ""
    exc.message = message + said
    exc.args = (exc.message,)


def message_ids(exc: sushy.exceptions.HTTPError) -> tuple[str, ...]:
    """The identifiers of the messages that came with an error answer."""
    messages = exc.extended_info if isinstance(exc.extended_info, list) else []
    return (str(exc.code), *(str(message.get("MessageId", "")) for message in messages))


def is_busy(exc: sushy.exceptions.HTTPError) -> bool:
    """Whether the service says that the same request may succeed later."""
    if exc.status_code in _BUSY_STATUS:
        return True
    said = message_ids(exc)
    return any(name in message for message in said for name in _BUSY_MESSAGES)


def what_it_said(exc: sushy.exceptions.HTTPError) -> str:
    """The service's own words about an error, or its status."""
    return str(exc.detail) if exc.detail else f"HTTP status {exc.status_code}"
