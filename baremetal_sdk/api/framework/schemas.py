"""JSON schemas for the OpenAPI document, built from the annotations of records, render functions and handlers.

The type checker checks the code against the same annotations, so the document cannot differ from the code.
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
"""Annotation of a text that is a UUID in a response."""
MACText = Annotated[str, MAC.schema]
"""Annotation of a text that is a MAC address in a response."""

_PLAIN_SCHEMAS: Mapping[Any, Schema] = {
    Any: {},
    object: {},
    type(None): {"type": "null"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    datetime: {"type": "string", "format": "date-time"},
}
_ARRAY_TYPES = (list, tuple, Sequence)
_OBJECT_TYPES = (dict, Mapping)


def schema_of(hint: Any) -> dict[str, Any]:
    """Return the JSON schema of a type annotation. Raises ``TypeError`` for a type without a JSON form."""
    if is_typeddict(hint):
        fields = get_type_hints(hint, include_extras=True)
        required = [name for name, inner in fields.items() if get_origin(inner) is not NotRequired]
        return closed_object({name: schema_of(inner) for name, inner in fields.items()}, required)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"type": "string", "enum": [str(member.value) for member in hint]}
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return {**schema_of(inside[0]), **inside[1]}
    if origin is NotRequired:
        return schema_of(inside[0])
    if origin is Literal:
        return {"enum": list(inside)}
    if origin is None and hint in _PLAIN_SCHEMAS:
        return dict(_PLAIN_SCHEMAS[hint])
    return _generic_schema(hint, hint if origin is None else origin, inside)


def _generic_schema(hint: Any, kind: Any, inside: tuple[Any, ...]) -> dict[str, Any]:
    if kind in (Union, types.UnionType):
        return {"anyOf": [schema_of(member) for member in inside]}
    if kind in _ARRAY_TYPES:
        return {"type": "array", **({"items": schema_of(inside[0])} if inside else {})}
    if kind in _OBJECT_TYPES:
        return {"type": "object", **({"additionalProperties": schema_of(inside[1])} if inside and inside[1] is not Any else {})}
    raise TypeError(f"cannot build a JSON schema for {hint!r}: the type has no JSON form")


def closed_object(properties: Mapping[str, Any], required: Iterable[str]) -> dict[str, Any]:
    """Return the schema of an object that has the *properties* (name -> schema) and no others."""
    return {"type": "object", "required": list(required), "properties": dict(properties), "additionalProperties": False}


def record_schema(record: type, names: Iterable[str], extra: Mapping[str, Any] = {}) -> dict[str, Any]:
    """Return the schema of an object. It has optional fields *names* of a record, and required fields *extra*: name -> type."""
    hints = field_types(record)
    fields = {**{name: hints[name] for name in names}, **extra}
    return closed_object({name: schema_of(hint) for name, hint in fields.items()}, extra)


def collection_schema(name: str, item: Schema) -> dict[str, Any]:
    """Return the schema of a listing: the records under *name*, and an optional link to the next page."""
    return closed_object({name: {"type": "array", "items": item}, "next": {"type": "string", "format": "uri"}}, [name])


def nullable_schema(schema: Schema) -> dict[str, Any]:
    """Return a schema that allows the values of *schema* and null."""
    return {"anyOf": [dict(schema), {"type": "null"}]}


def allows_null(hint: Any) -> bool:
    """Return whether a type annotation is a union that includes None."""
    return type(None) in get_args(hint)


@cache
def field_types(record: type) -> Mapping[str, Any]:
    """Return the fields of a record class: name -> type annotation."""
    return get_type_hints(record, include_extras=True)


@cache
def return_type(function: Callable[..., Any]) -> Any:
    """Return the return type of a function: ``NoneType`` for None, and Any without an annotation.

    Only this annotation is evaluated, because others may use names that are imported for type checkers only.
    """
    annotation = getattr(function, "__annotations__", {}).get("return", Any)
    if not isinstance(annotation, str):
        return annotation
    holder = types.SimpleNamespace(__annotations__={"return": annotation})
    return get_type_hints(holder, getattr(function, "__globals__", {}), include_extras=True)["return"]
