"""Errors between processes: class, message, code, details and time to come back arrive as they were raised.

An error comes back as its own class where that is loaded here, with whatever plugin it comes from; else as the nearest class
above it that is. Nothing is imported, and no code of the class is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import BareMetalError, Problem
from baremetal_sdk.rpc.codec import Codec, NotEncodable

_MOST_CLASSES = 16


def encode_error(error: BareMetalError, codec: Codec) -> dict[str, Any]:
    """*error* as JSON values."""
    classes = [_name_of(one) for one in type(error).__mro__ if issubclass(one, BareMetalError)]
    return {
        "classes": classes[:_MOST_CLASSES],
        "message": str(error.message),
        "code": error.code,
        "retry_after": error.retry_after,
        "details": {str(name): _sendable(value, codec) for name, value in error.details.items()},
        "problems": [list(map(str, problem)) for problem in getattr(error, "problems", ())],
    }


def decode_error(data: Mapping[str, Any], codec: Codec) -> BareMetalError:
    """The error that was :func:`encoded`. Its attribute ``remote_class`` names a class that is not loaded here."""
    names = [str(name) for name in data.get("classes", ())][:_MOST_CLASSES]
    loaded = {_name_of(one): one for one in _family(BareMetalError)}
    found = next((loaded[name] for name in names if name in loaded), BareMetalError)
    # Its own __init__ is not run: it may want what did not travel, and it need not be harmless.
    error = found.__new__(found)
    message = str(data.get("message", ""))
    details = codec.load(data.get("details") or {})
    retry_after = data.get("retry_after")
    error.args = (message,)
    error.__dict__.update(
        message=message,
        details=details if isinstance(details, dict) else {},
        retry_after=float(retry_after) if isinstance(retry_after, int | float) else None,
        problems=tuple(Problem(*map(str, problem)) for problem in data.get("problems", ()) if len(problem) == 3),
    )
    code = data.get("code")
    if isinstance(code, int) and 400 <= code <= 599 and code != found.code:
        error.__dict__["code"] = code
    if names and _name_of(found) != names[0]:
        error.__dict__["remote_class"] = names[0]
    return error


def _sendable(value: Any, codec: Codec) -> Any:
    try:
        return codec.dump(value)
    except NotEncodable:
        return str(value)


def _name_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _family(kind: type[BareMetalError]) -> set[type[BareMetalError]]:
    """*kind* and all that is derived from it, as far as it is loaded: a plugin registers its errors by deriving them."""
    found = {kind}
    for one in kind.__subclasses__():
        found |= _family(one)
    return found
