"""Descriptions of responses for the OpenAPI document, built from views and from return annotations of handlers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from baremetal_sdk.api.framework import microversions
from baremetal_sdk.api.framework.errors import ErrorBody
from baremetal_sdk.api.framework.routes import Route
from baremetal_sdk.api.framework.schemas import (
    allows_null,
    closed_object,
    collection_schema,
    field_types,
    nullable_schema,
    return_type,
    schema_of,
)
from baremetal_sdk.api.framework.views import LINKS, Link, ResponseSpec, View, ViewField

_JSON = "application/json"
_UNSUPPORTED = closed_object({"code": {"const": 406}, "title": {"type": "string"}, "description": {"type": "string"}}, ["code"])
ERROR = closed_object(
    {
        "error_message": {
            "type": "string",
            "description": "A JSON text with the error. Its list problems names each invalid field. For an "
            "unsupported version the text has other keys.",
            "contentMediaType": _JSON,
            "contentSchema": {"anyOf": [{"$ref": "#/components/schemas/Fault"}, _UNSUPPORTED]},
        }
    },
    ["error_message"],
)
_VERSION_TEXT = {"type": "string", "pattern": r"^1\.[0-9]{1,3}$"}
HEADERS: Mapping[str, Any] = {
    "openstack-request-id": {
        "description": "The ID of this request, as in the logs.",
        "required": True,
        "schema": {"type": "string"},
    },
    microversions.VERSION_HEADER: {"description": "The microversion of this response.", "schema": _VERSION_TEXT},
    microversions.MINIMUM_VERSION_HEADER: {"description": "The lowest microversion of the service.", "schema": _VERSION_TEXT},
    microversions.MAXIMUM_VERSION_HEADER: {"description": "The highest microversion of the service.", "schema": _VERSION_TEXT},
    "ETag": {
        "description": "The tag of this response. A later request can send it as If-None-Match.",
        "schema": {"type": "string", "pattern": '^"[0-9a-f]{24}"$'},
    },
    "Location": {
        "description": "The URL of the resource that was created or is being changed.",
        "schema": {"type": "string", "format": "uri"},
    },
    "Retry-After": {"description": "Seconds to wait before a retry.", "schema": {"type": "integer", "minimum": 1}},
}
_COMMON_HEADERS = (
    "openstack-request-id",
    microversions.VERSION_HEADER,
    microversions.MINIMUM_VERSION_HEADER,
    microversions.MAXIMUM_VERSION_HEADER,
)


class ResponseSchemas:
    """Builder of response descriptions. *schemas* collects the schemas that several responses share."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {"Fault": schema_of(ErrorBody), "Error": ERROR, "Links": schema_of(list[Link])}

    def describe(self, declared: Route, handler: Callable[..., Any]) -> dict[str, Any]:
        """Return the description of each response of one route, by status."""
        success: dict[str, Any] = {
            "description": "Success." if declared.status != 202 else "Accepted. The work continues in the background."
        }
        content = self._content(declared, handler)
        is_read = declared.method == "GET" and declared.content_type == _JSON
        success["headers"] = _header_refs(
            *_COMMON_HEADERS, *(["ETag"] if is_read else []), *([] if declared.method == "GET" else ["Location"])
        )
        if content is not None:
            success["content"] = {declared.content_type: {"schema": content}}
        responses = {str(declared.status): success, "4XX": _ref("responses", "Refused"), "5XX": _ref("responses", "Failed")}
        if declared.method == "GET":
            responses["304"] = {
                "description": "The response is the same as the earlier one whose ETag is in If-None-Match. It has no body.",
                "headers": _header_refs("ETag"),
            }
        if declared.passthrough:
            responses["2XX"] = {
                "description": "The result of the vendor method of the driver.",
                "content": {_JSON: {"schema": {}}},
            }
        return responses

    def _content(self, declared: Route, handler: Callable[..., Any]) -> Mapping[str, Any] | None:
        if isinstance(declared.response, ResponseSpec):
            return self._view_schema(declared.response)
        if declared.response is not None:
            return declared.response
        annotation = return_type(handler)
        return None if annotation is type(None) else schema_of(annotation)

    def _view_schema(self, spec: ResponseSpec) -> dict[str, Any]:
        record = self._record_schema(spec)
        return collection_schema(spec.view.collection, record) if spec.page else record

    def _record_schema(self, spec: ResponseSpec) -> dict[str, Any]:
        if not spec.linked:
            properties = _property_schemas(spec.view)
            return closed_object(properties, properties)
        name = spec.view.record.__name__.removesuffix("Record")
        links = _ref("schemas", "Links")
        properties = {**_property_schemas(spec.view), LINKS: links}
        below = {
            sub.name: {**links, "x-baremetal-since": microversions.format_version(sub.since)} for sub in spec.view.subresources
        }
        self.schemas.setdefault(name, closed_object({**properties, **below}, [LINKS]))
        if not spec.whole:
            return _ref("schemas", name)
        self.schemas.setdefault(f"Whole{name}", {"allOf": [_ref("schemas", name)], "required": list(properties)})
        return _ref("schemas", f"Whole{name}")


_ERROR_HEADERS: Mapping[str, Any] = {
    # The HTTP server refuses some requests before they have an ID.
    "openstack-request-id": {**HEADERS["openstack-request-id"], "required": False},
    "Retry-After": {"$ref": "#/components/headers/Retry-After"},
}
ERROR_RESPONSES: Mapping[str, Any] = {
    "Refused": {
        "description": "The request was refused and changed nothing.",
        "headers": _ERROR_HEADERS,
        "content": {_JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
    },
    "Failed": {
        "description": "The request failed. If a retry may help, Retry-After has the seconds to wait before it.",
        "headers": _ERROR_HEADERS,
        "content": {_JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
    },
}


def _property_schemas(view: View) -> dict[str, Any]:
    return {name: _field_schema(view, field) for name, field in view.fields.items()}


def _field_schema(view: View, field: ViewField) -> dict[str, Any]:
    """Return the schema of a field: from its declared type, its render function, or its column."""
    hint = field_types(view.record)[field.sources[0]] if field.render is None else return_type(field.render)
    if field.type is None:
        schema = schema_of(hint)
    else:
        schema = nullable_schema(field.type.schema) if allows_null(hint) else dict(field.type.schema)
    return {**schema, "x-baremetal-since": microversions.format_version(field.since)}


def _header_refs(*names: str) -> dict[str, Any]:
    return {name: _ref("headers", name) for name in names}


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}
