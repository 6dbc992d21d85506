"""``/openapi.json``: the whole API as an OpenAPI 3.1 document, made from what stands beside the handlers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from baremetal_sdk.api.framework.microversions import MAXIMUM, VERSION, format_version
from baremetal_sdk.api.framework.openapi_responses import HEADERS, REFUSALS, Answers
from baremetal_sdk.api.framework.parameters import Parameter, Parameters
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import PUBLIC, Route, RouteTable, route
from baremetal_sdk.api.framework.views import ResponseSpec

_SEGMENT = re.compile(r"{([^}]+)}")
_JSON = "application/json"
_PARAMETERS: Mapping[str, Any] = {
    VERSION: {
        "name": VERSION,
        "in": "header",
        "required": False,
        "description": "The microversion that the request speaks; without it, 1.1.",
        "schema": {"type": "string", "pattern": r"^(latest|1\.[0-9]{1,3})$", "default": "1.1"},
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "A name for this request: another one with it is answered as this one was, and does nothing.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    },
    "If-None-Match": {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "The ETag of an answer that is known: where it still holds the answer is 304, without a body.",
        "schema": {"type": "string", "pattern": '^"[0-9a-f]{1,64}"$'},
    },
    "Last-Event-ID": {
        "name": "Last-Event-ID",
        "in": "header",
        "required": False,
        "description": "The id of the last event that is known; it goes before the parameter after.",
        "schema": {"type": "string"},
    },
}
_SECURITY: Mapping[str, Any] = {
    "basic": {"type": "http", "scheme": "basic", "description": "[DEFAULT] auth_strategy = http_basic"},
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token that the service gave out itself.",
    },
    "keystone": {"type": "apiKey", "in": "header", "name": "X-Auth-Token", "description": "[DEFAULT] auth_strategy = keystone"},
    "certificate": {"type": "mutualTLS", "description": "[DEFAULT] auth_strategy = client_certificate"},
}
"""Ways to say who asks; how the service is configured decides which are taken. With noauth none is needed."""
_OF_PATHS: Mapping[str, str] = {
    **dict.fromkeys(("connector", "target", "rule", "entry"), "The UUID of the {}."),
    **dict.fromkeys(("driver", "setting", "method", "trait", "conductor"), "The name of the {}."),
    "port": "The UUID, the name or the MAC address of the port.",
    "indicator": "The light, as indicator@component.",
    "vif": "The UUID of the virtual interface.",
}
_OF_OTHER_PATHS = "The UUID or the name of the {}."


class OpenAPI:
    """The document. It describes the newest microversion, and tells of each thing when it came."""

    def __init__(self, registry: RouteTable) -> None:
        self._registry = registry

    @route("GET", "/openapi.json", policy="public_api", visibility=PUBLIC, response={"type": "object", "required": ["openapi"]})
    def show(self, request: APIRequest) -> dict[str, Any]:
        """Describe the whole API as OpenAPI 3.1."""
        return {**self._document, "servers": [{"url": request.base}]}

    @cached_property
    def _document(self) -> Mapping[str, Any]:
        return document(self._registry)


def document(registry: RouteTable) -> dict[str, Any]:
    """The OpenAPI document of all routes of *registry*."""
    paths: dict[str, dict[str, Any]] = {}
    answers = Answers()
    for declared, handler in registry.handlers():
        operation = {**_operation(declared, handler), "responses": answers.of(declared, handler)}
        paths.setdefault(declared.path, {})[declared.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Bare Metal API",
            "version": format_version(MAXIMUM),
            "description": "Provisioning and management of bare-metal machines. Each request names a microversion. "
            "This describes the newest one; x-baremetal-since is the first one that has an operation, a parameter or a field.",
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": name} for name in sorted({_tag(declared) for declared in registry.routes()})],
        "paths": paths,
        "components": {
            "schemas": answers.schemas,
            "parameters": _PARAMETERS,
            "headers": HEADERS,
            "responses": REFUSALS,
            "securitySchemes": _SECURITY,
        },
    }


def _operation(declared: Route, handler: Callable[..., Any]) -> dict[str, Any]:
    owner = type(getattr(handler, "__self__", None)).__name__.removesuffix("Resource")
    name = handler.__name__
    also_versions = "".join(f" Taken in {format_version(minor)}, too." for minor in sorted(declared.also_versions))
    operation: dict[str, Any] = {
        "operationId": f"{owner}.{name}.{declared.method.lower()}." + re.sub(r"\W+", "_", declared.path).strip("_"),
        "summary": declared.summary,
        "description": f"Since version {format_version(declared.since)}.{also_versions} Rule: {declared.policy}.",
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
    """The resource at the beginning of a path."""
    segments = [part for part in declared.path.split("/") if part and part != "v1"]
    return segments[0].partition(".")[0] if segments else "versions"


def _parameters(declared: Route) -> list[dict[str, Any]]:
    path = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _OF_PATHS.get(name, _OF_OTHER_PATHS).format(name),
            "schema": {"type": "string", "minLength": 1},
        }
        for name in _SEGMENT.findall(declared.path)
    ]
    headers = [VERSION, *(["Idempotency-Key"] if declared.method == "POST" else [])]
    if declared.content_type == "text/event-stream":
        headers.append("Last-Event-ID")
    elif declared.method == "GET":
        headers.append("If-None-Match")
    query = [_query_parameter(declared, one) for one in declared.query.declared]
    return [*path, *query, *({"$ref": f"#/components/parameters/{name}"} for name in headers)]


def _query_parameter(declared: Route, one: Parameter) -> dict[str, Any]:
    schema = _narrowed(declared, one)
    described = {
        "name": one.name,
        "in": "query",
        "required": one.required,
        "description": one.said,
        "schema": schema,
        "x-baremetal-since": format_version(one.since),
    }
    # Words have commas between them, and are not given one by one.
    return {**described, "style": "form", "explode": False} if schema.get("type") == "array" else described


def _narrowed(declared: Route, one: Parameter) -> dict[str, Any]:
    """The schema of a parameter; where it names fields of what is shown, those that there are."""
    schema = dict(one.type.schema)
    if not isinstance(declared.response, ResponseSpec):
        return schema
    fields = declared.response.view.fields.values()
    if one.name == "fields":
        return {**schema, "items": {"enum": [*(field.name for field in fields), "links"]}}
    if one.name == "sort_key":
        return {"type": "string", "enum": ["id", *(field.name for field in fields if field.sortable)]}
    return schema


def _body(body: Any) -> dict[str, Any]:
    required = isinstance(body, Parameters) and any(one.required for one in body.declared)
    return {"required": required, "content": {_JSON: {"schema": dict(body.schema)}}}
