"""Answers in the OpenAPI document: what views show, what handlers are annotated with, and how refusals look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from baremetal_sdk.api.framework import microversions
from baremetal_sdk.api.framework.errors import ErrorBody
from baremetal_sdk.api.framework.routes import Route
from baremetal_sdk.api.framework.schemas import (
    allows_null,
    closed,
    collection_schema,
    field_types,
    nullable_schema,
    return_type,
    schema_of,
)
from baremetal_sdk.api.framework.views import LINKS, Link, ResponseSpec, View, ViewField

_JSON = "application/json"
_UNSUPPORTED = closed({"code": {"const": 406}, "title": {"type": "string"}, "description": {"type": "string"}}, ["code"])
ERROR = closed(
    {
        "error_message": {
            "type": "string",
            "description": "A JSON text: what is wrong and, in problems, with which fields. It has another shape for a version "
            "that is not served at all.",
            "contentMediaType": _JSON,
            "contentSchema": {"anyOf": [{"$ref": "#/components/schemas/Fault"}, _UNSUPPORTED]},
        }
    },
    ["error_message"],
)
_VERSION_TEXT = {"type": "string", "pattern": r"^1\.[0-9]{1,3}$"}
HEADERS: Mapping[str, Any] = {
    "openstack-request-id": {
        "description": "The id of this request, which logs have, too.",
        "required": True,
        "schema": {"type": "string"},
    },
    microversions.VERSION: {"description": "The microversion that was spoken.", "schema": _VERSION_TEXT},
    microversions.MINIMUM_VERSION: {"description": "The first microversion that is served.", "schema": _VERSION_TEXT},
    microversions.MAXIMUM_VERSION: {"description": "The last microversion that is served.", "schema": _VERSION_TEXT},
    "ETag": {
        "description": "What this answer is known by: see If-None-Match.",
        "schema": {"type": "string", "pattern": '^"[0-9a-f]{24}"$'},
    },
    "Location": {
        "description": "Where that is served which was made or is being changed.",
        "schema": {"type": "string", "format": "uri"},
    },
    "Retry-After": {"description": "Seconds to wait before the next try.", "schema": {"type": "integer", "minimum": 1}},
}
_ALWAYS = ("openstack-request-id", microversions.VERSION, microversions.MINIMUM_VERSION, microversions.MAXIMUM_VERSION)


class Answers:
    """Describes the answers of routes, and keeps the schemas that they have in common."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {"Fault": schema_of(ErrorBody), "Error": ERROR, "Links": schema_of(list[Link])}

    def of(self, declared: Route, handler: Callable[..., Any]) -> dict[str, Any]:
        """The responses of one route, by status."""
        done: dict[str, Any] = {"description": "Done." if declared.status != 202 else "Accepted: it goes on in the background."}
        content = self._content(declared, handler)
        is_read = declared.method == "GET" and declared.content_type == _JSON
        done["headers"] = _headers(*_ALWAYS, *(["ETag"] if is_read else []), *([] if declared.method == "GET" else ["Location"]))
        if content is not None:
            done["content"] = {declared.content_type: {"schema": content}}
        responses = {str(declared.status): done, "4XX": _ref("responses", "Refused"), "5XX": _ref("responses", "Failed")}
        if declared.method == "GET":
            responses["304"] = {"description": "As it was: see If-None-Match.", "headers": _headers("ETag")}
        if declared.passthrough:
            responses["2XX"] = {"description": "What the driver answers.", "content": {_JSON: {"schema": {}}}}
        return responses

    def _content(self, declared: Route, handler: Callable[..., Any]) -> Mapping[str, Any] | None:
        if isinstance(declared.response, ResponseSpec):
            return self._shown(declared.response)
        if declared.response is not None:
            return declared.response
        said = return_type(handler)
        return None if said is type(None) else schema_of(said)

    def _shown(self, shown: ResponseSpec) -> dict[str, Any]:
        one = self._record(shown)
        return collection_schema(shown.view.collection, one) if shown.page else one

    def _record(self, shown: ResponseSpec) -> dict[str, Any]:
        if not shown.linked:
            properties = _properties(shown.view)
            return closed(properties, properties)
        name = shown.view.record.__name__.removesuffix("Record")
        links = _ref("schemas", "Links")
        properties = {**_properties(shown.view), LINKS: links}
        below = {
            one.name: {**links, "x-baremetal-since": microversions.format_version(one.since)} for one in shown.view.subresources
        }
        self.schemas.setdefault(name, closed({**properties, **below}, [LINKS]))
        if not shown.whole:
            return _ref("schemas", name)
        self.schemas.setdefault(f"Whole{name}", {"allOf": [_ref("schemas", name)], "required": list(properties)})
        return _ref("schemas", f"Whole{name}")


_ON_REFUSAL: Mapping[str, Any] = {
    # What the HTTP server refuses before it is a request has none.
    "openstack-request-id": {**HEADERS["openstack-request-id"], "required": False},
    "Retry-After": {"$ref": "#/components/headers/Retry-After"},
}
REFUSALS: Mapping[str, Any] = {
    "Refused": {
        "description": "The request was refused, and nothing was done.",
        "headers": _ON_REFUSAL,
        "content": {_JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
    },
    "Failed": {
        "description": "This cannot be answered now; Retry-After tells when to ask again, where that helps.",
        "headers": _ON_REFUSAL,
        "content": {_JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
    },
}


def _properties(view: View) -> dict[str, Any]:
    return {name: _field(view, field) for name, field in view.fields.items()}


def _field(view: View, field: ViewField) -> dict[str, Any]:
    """The values of a field: what its column, or what renders it, is annotated with, or what is declared of it."""
    hint = field_types(view.record)[field.sources[0]] if field.render is None else return_type(field.render)
    if field.type is None:
        schema = schema_of(hint)
    else:
        schema = nullable_schema(field.type.schema) if allows_null(hint) else dict(field.type.schema)
    return {**schema, "x-baremetal-since": microversions.format_version(field.since)}


def _headers(*names: str) -> dict[str, Any]:
    return {name: _ref("headers", name) for name in names}


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}
