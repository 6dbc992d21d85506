"""JSON schemas made from annotations: of records, of what renders them, and of what handlers give back.

So the description of an answer is the type that the code which makes it was checked for.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import cache
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from baremetal_sdk.api.framework.types import MAC, UUID

Schema = Mapping[str, Any]
UUIDText = Annotated[str, UUID.schema]
"""A UUID in an answer."""
MACText = Annotated[str, MAC.schema]
"""A MAC address in an answer."""

_PLAIN: Mapping[Any, Schema] = {
    Any: {},
    object: {},
    type(None): {"type": "null"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    datetime: {"type": "string", "format": "date-time"},
}
_ARRAYS = (list, tuple, Sequence)
_OBJECTS = (dict, Mapping)


def schema_of(hint: Any) -> dict[str, Any]:
    """The schema of the values of a type. Raises ``TypeError`` for one that is never in JSON."""
    if is_typeddict(hint):
        fields = get_type_hints(hint, include_extras=True)
        required = [name for name, inner in fields.items() if get_origin(inner) is not NotRequired]
        return closed({name: schema_of(inner) for name, inner in fields.items()}, required)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"type": "string", "enum": [str(member.value) for member in hint]}
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return {**schema_of(inside[0]), **inside[1]}
    if origin is NotRequired:
        return schema_of(inside[0])
    if origin is Literal:
        return {"enum": list(inside)}
    if origin is None and hint in _PLAIN:
        return dict(_PLAIN[hint])
    return _of_several(hint, hint if origin is None else origin, inside)


def _of_several(hint: Any, kind: Any, inside: tuple[Any, ...]) -> dict[str, Any]:
    if kind in (Union, types.UnionType):
        return {"anyOf": [schema_of(one) for one in inside]}
    if kind in _ARRAYS:
        return {"type": "array", **({"items": schema_of(inside[0])} if inside else {})}
    if kind in _OBJECTS:
        return {"type": "object", **({"additionalProperties": schema_of(inside[1])} if inside and inside[1] is not Any else {})}
    raise TypeError(f"{hint!r} is no type of values in JSON")


def closed(properties: Mapping[str, Any], required: Iterable[str]) -> dict[str, Any]:
    """The schema of an object that has these properties and no other ones."""
    return {"type": "object", "required": list(required), "properties": dict(properties), "additionalProperties": False}


def record_schema(record: type, names: Iterable[str], besides: Mapping[str, Any] = {}) -> dict[str, Any]:
    """The schema of some fields of a record, of which any may be missing, and of what is shown *besides*: name -> type."""
    hints = field_types(record)
    shown = {**{name: hints[name] for name in names}, **besides}
    return closed({name: schema_of(hint) for name, hint in shown.items()}, besides)


def collection_schema(name: str, item: Schema) -> dict[str, Any]:
    """The schema of a listing whose records are below *name*, with a link to the next page where there is one."""
    return closed({name: {"type": "array", "items": item}, "next": {"type": "string", "format": "uri"}}, [name])


def nullable_schema(schema: Schema) -> dict[str, Any]:
    """*schema*, or null."""
    return {"anyOf": [dict(schema), {"type": "null"}]}


def allows_null(hint: Any) -> bool:
    """Whether None is a value of a type."""
    return type(None) in get_args(hint)


@cache
def field_types(record: type) -> Mapping[str, Any]:
    """The fields of a record, with their types."""
    return get_type_hints(record, include_extras=True)


@cache
def return_type(function: Callable[..., Any]) -> Any:
    """The type of what a function gives back; None where it gives nothing back, and Any where that is not said.

    Only this annotation is looked at: others may name what is imported for type checkers alone.
    """
    said = getattr(function, "__annotations__", {}).get("return", Any)
    if not isinstance(said, str):
        return said
    told = types.SimpleNamespace(__annotations__={"said": said})
    return get_type_hints(told, getattr(function, "__globals__", {}), include_extras=True)["said"]
