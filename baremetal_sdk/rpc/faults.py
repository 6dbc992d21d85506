"""Encoding of errors for messages between processes.

Class, message, code, details and retry time survive. The receiver creates the same class if it is loaded there, otherwise the
nearest loaded base class. It imports nothing and runs no code of the class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import BareMetalError, Problem
from baremetal_sdk.rpc.codec import Codec, NotEncodable

_MAX_CLASSES = 16
"""Number of classes, from the error's own to ``BareMetalError``, that a message names."""


def encode_error(error: BareMetalError, codec: Codec) -> dict[str, Any]:
    """Return *error* as a JSON object for a message. A detail that cannot be encoded becomes its text."""
    classes = [_qualified_name(base) for base in type(error).__mro__ if issubclass(base, BareMetalError)]
    return {
        "classes": classes[:_MAX_CLASSES],
        "message": str(error.message),
        "code": error.code,
        "retry_after": error.retry_after,
        "details": {str(name): _dump_detail(value, codec) for name, value in error.details.items()},
        "problems": [list(map(str, problem)) for problem in getattr(error, "problems", ())],
    }


def decode_error(data: Mapping[str, Any], codec: Codec) -> BareMetalError:
    """Return the error that :func:`encode_error` encoded.

    If its class is not loaded here, the attribute ``remote_class`` has the name of that class.
    """
    names = [str(name) for name in data.get("classes", ())][:_MAX_CLASSES]
    loaded = {_qualified_name(kind): kind for kind in _collect_subclasses(BareMetalError)}
    kind = next((loaded[name] for name in names if name in loaded), BareMetalError)
    # __init__ is skipped: a plugin's error may require arguments that are not in the message, or have side effects.
    error = kind.__new__(kind)
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
    if isinstance(code, int) and 400 <= code <= 599 and code != kind.code:
        error.__dict__["code"] = code
    if names and _qualified_name(kind) != names[0]:
        error.__dict__["remote_class"] = names[0]
    return error


def _dump_detail(value: Any, codec: Codec) -> Any:
    try:
        return codec.dump(value)
    except NotEncodable:
        return str(value)


def _qualified_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _collect_subclasses(kind: type[BareMetalError]) -> set[type[BareMetalError]]:
    """Return *kind* and its loaded subclasses. A plugin registers its errors simply by deriving them."""
    found = {kind}
    for subclass in kind.__subclasses__():
        found |= _collect_subclasses(subclass)
    return found
