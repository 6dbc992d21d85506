"""From whatever a driver or its device library raised to an error of the contract that holds no secret."""

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
    UnexpectedAnswer,
)
from baremetal_interfaces.options import MASK

_MEANING: dict[Fault, tuple[type[DriverError], str]] = {
    Fault.AUTH: (AuthenticationFailed, "refuses the credentials; correct them in driver_info"),
    Fault.EXPIRED: (AuthenticationFailed, "ended the session, and a new one right after"),
    Fault.UNREACHABLE: (BMCUnreachable, "does not answer; check its address, its network and its power"),
    Fault.BUSY: (BMCBusy, "is busy; try again later"),
}


def spellings(secret: str) -> tuple[str, ...]:
    """The forms in which *secret* can turn up in a text: as it is, quoted for a URL, escaped, and in base 64."""
    # Imported where something is scrubbed, and not by everybody who imports the contract.
    import base64
    from urllib.parse import quote, quote_plus

    forms = (secret, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1], base64.b64encode(secret.encode()).decode())
    return tuple(dict.fromkeys(forms))


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Mask every spelling of every secret in *text*, the longest first."""
    forms = sorted({form for secret in secrets if secret for form in spellings(secret)}, key=len, reverse=True)
    for form in forms:
        text = text.replace(form, MASK)
    return text


def translate(
    exc: Exception, *, connector: Connector[Any] | None, endpoint: Endpoint | None, secrets: Iterable[str]
) -> BareMetalError:
    """The error of the contract for *exc*, without a secret in message or details.

    An error of the contract keeps its class. Anything else is classified by the *connector* that was in use; what it
    cannot tell, and what no connector saw, is a :class:`~baremetal_interfaces.errors.DriverError`.
    """
    kept = tuple(secrets)
    if isinstance(exc, BareMetalError):
        return _scrubbed(exc, kept)
    fault = connector.classify(exc) if connector is not None else Fault.OTHER
    detail = scrub(f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__, kept)
    where = f"the BMC at {endpoint}" if endpoint is not None else "the driver"
    if fault in _MEANING:
        error, meaning = _MEANING[fault]
        return error(f"{where} {meaning} ({detail})")
    error = UnexpectedAnswer if connector is not None else DriverError
    return error(f"{where} failed: {detail}")


def _scrubbed(exc: BareMetalError, secrets: tuple[str, ...]) -> BareMetalError:
    exc.message = scrub(exc.message, secrets)
    exc.args = (exc.message,)
    exc.details = {name: scrub(value, secrets) if isinstance(value, str) else value for name, value in exc.details.items()}
    exc.__cause__ = None
    exc.__suppress_context__ = True
    return exc
