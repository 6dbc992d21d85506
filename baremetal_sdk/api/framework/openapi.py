"""API resource ``/openapi.json``: the API as an OpenAPI 3.1 document, built from the declarations of the routes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from baremetal_sdk.api.framework.microversions import MAXIMUM, VERSION_HEADER, format_version
from baremetal_sdk.api.framework.openapi_responses import ERROR_RESPONSES, HEADERS, ResponseSchemas
from baremetal_sdk.api.framework.parameters import Parameter, Parameters
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import PUBLIC, Route, RouteTable, route
from baremetal_sdk.api.framework.views import ResponseSpec

_SEGMENT = re.compile(r"{([^}]+)}")
_JSON = "application/json"
_PARAMETERS: Mapping[str, Any] = {
    VERSION_HEADER: {
        "name": VERSION_HEADER,
        "in": "header",
        "required": False,
        "description": "The microversion of the request. The default is 1.1.",
        "schema": {"type": "string", "pattern": r"^(latest|1\.[0-9]{1,3})$", "default": "1.1"},
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "A key for this request. A repetition with the same key returns the same response and does nothing else.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    },
    "If-None-Match": {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "The ETag of an earlier response. If the response is still the same, the status is 304 without a body.",
        "schema": {"type": "string", "pattern": '^"[0-9a-f]{1,64}"$'},
    },
    "Last-Event-ID": {
        "name": "Last-Event-ID",
        "in": "header",
        "required": False,
        "description": "The id of the last known event. It takes precedence over the parameter after.",
        "schema": {"type": "string"},
    },
}
_SECURITY: Mapping[str, Any] = {
    "basic": {"type": "http", "scheme": "basic", "description": "User and password, for [DEFAULT] auth_strategy = http_basic."},
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token that the service issued, for auth_strategy = http_basic or client_certificate.",
    },
    "keystone": {"type": "apiKey", "in": "header", "name": "X-Auth-Token", "description": "A Keystone token."},
    "certificate": {"type": "mutualTLS", "description": "A client certificate, for auth_strategy = client_certificate."},
}
"""The authentication methods. The configuration selects one of them. With noauth none is needed."""
_PATH_ARGUMENT_HELP: Mapping[str, str] = {
    **dict.fromkeys(("connector", "target", "rule", "entry"), "The UUID of the {}."),
    **dict.fromkeys(("driver", "setting", "method", "trait"), "The name of the {}."),
    "conductor": "The host name of the conductor.",
    "indicator": "The indicator (LED) and its component, in the form indicator@component.",
    "vif": "The UUID or name of the virtual interface (VIF).",
}
_DEFAULT_ARGUMENT_HELP = "The UUID or the name of the {}."


class OpenAPI:
    """API resource ``/openapi.json``. The document describes the newest microversion and says since when each part exists."""

    def __init__(self, table: RouteTable) -> None:
        self._table = table

    @route("GET", "/openapi.json", policy="public_api", visibility=PUBLIC, response={"type": "object", "required": ["openapi"]})
    def show(self, request: APIRequest) -> dict[str, Any]:
        """Return a description of the whole API as an OpenAPI 3.1 document."""
        return {**self._document, "servers": [{"url": request.base}]}

    @cached_property
    def _document(self) -> Mapping[str, Any]:
        return build_document(self._table)


def build_document(table: RouteTable) -> dict[str, Any]:
    """Return the OpenAPI document of all routes of *table*."""
    paths: dict[str, dict[str, Any]] = {}
    schemas = ResponseSchemas()
    for declared, handler in table.handlers():
        operation = {**_operation(declared, handler), "responses": schemas.describe(declared, handler)}
        paths.setdefault(declared.path, {})[declared.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Bare Metal API",
            "version": format_version(MAXIMUM),
            "description": "Provisioning and management of bare-metal machines. Each request names a microversion. "
            "This document describes the newest one. x-baremetal-since is the first microversion with an operation, a "
            "parameter or a field.",
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": name} for name in sorted({_tag(declared) for declared in table.routes()})],
        "paths": paths,
        "components": {
            "schemas": schemas.schemas,
            "parameters": _PARAMETERS,
            "headers": HEADERS,
            "responses": ERROR_RESPONSES,
            "securitySchemes": _SECURITY,
        },
    }


def _operation(declared: Route, handler: Callable[..., Any]) -> dict[str, Any]:
    # Operation ids have the name of the resource without the suffix of its class. Client generators use them.
    owner = type(getattr(handler, "__self__", None)).__name__.removesuffix("Resource")
    name = handler.__name__
    also_versions = "".join(f" Also accepted in {format_version(minor)}." for minor in sorted(declared.also_versions))
    operation: dict[str, Any] = {
        "operationId": f"{owner}.{name}.{declared.method.lower()}." + re.sub(r"\W+", "_", declared.path).strip("_"),
        "summary": declared.summary,
        "description": f"Since version {format_version(declared.since)}.{also_versions} Policy rule: {declared.policy}.",
        "tags": [_tag(declared)],
        "parameters": _parameters(declared),
        "x-baremetal-since": format_version(declared.since),
    }
    if declared.body is not None:
        operation["requestBody"] = _body(declared.body)
    if declared.visibility != PUBLIC:
        operation["security"] = [{}, *({name: []} for name in _SECURITY)]
    return operation


def _tag(declared: Route) -> str:
    """Return the tag of an operation, by which documents group it: the resource at the start of its path."""
    segments = [part for part in declared.path.split("/") if part and part != "v1"]
    return segments[0].partition(".")[0] if segments else "versions"


def _parameters(declared: Route) -> list[dict[str, Any]]:
    path = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PATH_ARGUMENT_HELP.get(name, _DEFAULT_ARGUMENT_HELP).format(name),
            "schema": {"type": "string", "minLength": 1},
        }
        for name in _SEGMENT.findall(declared.path)
    ]
    headers = [VERSION_HEADER, *(["Idempotency-Key"] if declared.method == "POST" else [])]
    if declared.content_type == "text/event-stream":
        headers.append("Last-Event-ID")
    elif declared.method == "GET":
        headers.append("If-None-Match")
    query = [_query_parameter(declared, parameter) for parameter in declared.query.declared]
    return [*path, *query, *({"$ref": f"#/components/parameters/{name}"} for name in headers)]


def _query_parameter(declared: Route, parameter: Parameter) -> dict[str, Any]:
    schema = _parameter_schema(declared, parameter)
    description = {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.description,
        "schema": schema,
        "x-baremetal-since": format_version(parameter.since),
    }
    # A list is one value with commas. The server also accepts one parameter for each item.
    return {**description, "style": "form", "explode": False} if schema.get("type") == "array" else description


def _parameter_schema(declared: Route, parameter: Parameter) -> dict[str, Any]:
    """Return the JSON schema of a query parameter. For ``fields`` and ``sort_key`` it allows only the field names of the view."""
    schema = dict(parameter.type.schema)
    if not isinstance(declared.response, ResponseSpec):
        return schema
    fields = declared.response.view.fields.values()
    if parameter.name == "fields":
        return {**schema, "items": {"enum": [*(field.name for field in fields), "links"]}}
    if parameter.name == "sort_key":
        return {"type": "string", "enum": ["id", *(field.name for field in fields if field.sortable)]}
    return schema


def _body(body: Any) -> dict[str, Any]:
    required = isinstance(body, Parameters) and any(parameter.required for parameter in body.declared)
    return {"required": required, "content": {_JSON: {"schema": dict(body.schema)}}}
