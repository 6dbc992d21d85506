"""Translation of exceptions of drivers and device libraries into errors of the contract, without secrets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from baremetal_interfaces.connector import Connector, Endpoint, Fault
from baremetal_interfaces.errors import (
    AuthenticationFailed,
    BareMetalError,
    BMCBusy,
    BMCUnreachable,
    DriverError,
    HostUnresolved,
    RequestUnanswered,
    UnexpectedAnswer,
)
from baremetal_interfaces.redaction import describe, mark_redacted, redact_error, redact_text, scrub, spellings

__all__ = ["scrub", "spellings", "translate"]

_MEANING: dict[Fault, tuple[type[DriverError], str]] = {
    Fault.AUTH: (AuthenticationFailed, "refuses the credentials; correct them in driver_info"),
    Fault.EXPIRED: (AuthenticationFailed, "no longer accepts the session; try again with a new login"),
    Fault.UNREACHABLE: (BMCUnreachable, "does not answer; check its address, its network and its power"),
    Fault.UNANSWERED: (RequestUnanswered, "does not answer the request; check the BMC and the options in driver_info"),
    Fault.UNRESOLVED: (HostUnresolved, "cannot be reached by its host name; check the name and the name servers"),
    Fault.BUSY: (BMCBusy, "is busy; try again later"),
}


def translate(
    exc: Exception, *, connector: Connector[Any] | None, endpoint: Endpoint | None, secrets: Iterable[str]
) -> BareMetalError:
    """Return the error of the contract for *exc*, with *secrets* masked in its message and details.

    An error of the contract keeps its class. The *connector* in use classifies any other exception. An exception with an
    unknown meaning becomes :class:`~baremetal_interfaces.errors.UnexpectedAnswer`, or, without a connector,
    :class:`~baremetal_interfaces.errors.DriverError`. *endpoint* names the BMC in the message.
    """
    values = tuple(secrets)
    if isinstance(exc, BareMetalError):
        return redact_error(exc, values)
    fault = connector.classify(exc) if connector is not None else Fault.OTHER
    # Only the foreign text is redacted: a mask in our own sentence would reveal a secret that is a word of it.
    text = redact_text(describe(exc), values)
    detail = f"{type(exc).__name__}: {text}" if text else type(exc).__name__
    where = f"the BMC at {endpoint}" if endpoint is not None else "the driver"
    if fault in _MEANING:
        kind, meaning = _MEANING[fault]
        error = kind(f"{where} {meaning} ({detail})")
    else:
        error = (UnexpectedAnswer if connector is not None else DriverError)(f"{where} failed: {detail}")
    return mark_redacted(error)
