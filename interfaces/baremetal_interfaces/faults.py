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
    UnexpectedAnswer,
)
from baremetal_interfaces.options import MASK

_MEANING: dict[Fault, tuple[type[DriverError], str]] = {
    Fault.AUTH: (AuthenticationFailed, "refuses the credentials; correct them in driver_info"),
    Fault.EXPIRED: (AuthenticationFailed, "no longer accepts the session; try again with a new login"),
    Fault.UNREACHABLE: (BMCUnreachable, "does not answer; check its address, its network and its power"),
    Fault.BUSY: (BMCBusy, "is busy; try again later"),
}


def spellings(secret: str) -> tuple[str, ...]:
    """Return the forms in which *secret* can occur in a text: verbatim, quoted for a URL, escaped, and in base64."""
    # Imported here, because most importers of the contract never redact anything.
    import base64
    from urllib.parse import quote, quote_plus

    forms = (secret, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1], base64.b64encode(secret.encode()).decode())
    return tuple(dict.fromkeys(forms))


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Return *text* with each form of each of the *secrets* replaced by the mask.

    Longer forms are replaced first. Otherwise a secret that contains another one would remain partly readable.
    """
    forms = sorted({form for secret in secrets if secret for form in spellings(secret)}, key=len, reverse=True)
    for form in forms:
        text = text.replace(form, MASK)
    return text


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
        return _mask_secrets(exc, values)
    fault = connector.classify(exc) if connector is not None else Fault.OTHER
    detail = scrub(f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__, values)
    where = f"the BMC at {endpoint}" if endpoint is not None else "the driver"
    if fault in _MEANING:
        error, meaning = _MEANING[fault]
        return error(f"{where} {meaning} ({detail})")
    error = UnexpectedAnswer if connector is not None else DriverError
    return error(f"{where} failed: {detail}")


def _mask_secrets(exc: BareMetalError, secrets: tuple[str, ...]) -> BareMetalError:
    exc.message = scrub(exc.message, secrets)
    exc.args = (exc.message,)
    exc.details = {name: scrub(value, secrets) if isinstance(value, str) else value for name, value in exc.details.items()}
    # The original exceptions may contain a secret: drop the cause, and hide the context from tracebacks.
    exc.__cause__ = None
    exc.__suppress_context__ = True
    return exc
