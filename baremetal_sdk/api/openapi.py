"""``/openapi.json``: the whole API as an OpenAPI 3.1 document, made from what stands beside the handlers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from baremetal_sdk.api.call import Call
from baremetal_sdk.api.parameters import Parameter, Parameters
from baremetal_sdk.api.registry import PUBLIC, Registry, Route, route
from baremetal_sdk.api.versions import MAXIMUM, VERSION, text

_SEGMENT = re.compile(r"{([^}]+)}")
_JSON = "application/json"
_ERROR = {
    "type": "object",
    "required": ["error_message"],
    "properties": {"error_message": {"type": "string", "description": "A JSON text with faultcode, faultstring and debuginfo."}},
}
_HEADERS = {
    VERSION: {
        "name": VERSION,
        "in": "header",
        "required": False,
        "description": "The microversion that the request speaks; without it, 1.1.",
        "schema": {"type": "string", "pattern": r"^(latest|1\.[0-9]{1,3})$", "default": "latest"},
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
}


class OpenAPI:
    """The document. It describes the newest microversion, and tells of each thing when it came."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    @route("GET", "/openapi.json", policy="public_api", visibility=PUBLIC)
    def show(self, call: Call) -> dict[str, Any]:
        """Describe the whole API as OpenAPI 3.1."""
        return {**self._document, "servers": [{"url": call.base}]}

    @cached_property
    def _document(self) -> Mapping[str, Any]:
        return document(self._registry)


def document(registry: Registry) -> dict[str, Any]:
    """The OpenAPI document of all routes of *registry*."""
    paths: dict[str, dict[str, Any]] = {}
    for declared, handler in registry.handlers():
        paths.setdefault(declared.path, {})[declared.method.lower()] = _operation(declared, handler)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Bare Metal API",
            "version": text(MAXIMUM),
            "description": "Provisioning and management of bare-metal machines. Each request names a microversion.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR},
            "parameters": _HEADERS,
            "responses": {"Error": {"description": "A refusal.", "content": {_JSON: {"schema": _ref("schemas", "Error")}}}},
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}, "token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(declared: Route, handler: Callable[..., Any]) -> dict[str, Any]:
    owner, name = type(getattr(handler, "__self__", None)).__name__, handler.__name__
    described = f"Since version {text(declared.since)}. Rule: {declared.policy}."
    operation: dict[str, Any] = {
        "operationId": f"{owner}.{name}.{declared.method.lower()}." + re.sub(r"\W+", "_", declared.path).strip("_"),
        "summary": declared.summary,
        "description": described,
        "parameters": _parameters(declared),
        "responses": _responses(declared, handler),
        "x-baremetal-since": text(declared.since),
    }
    if declared.body is not None:
        operation["requestBody"] = _body(declared.body)
    if declared.visibility != PUBLIC:
        operation["security"] = [{}, {"basic": []}, {"token": []}]
    return operation


def _parameters(declared: Route) -> list[dict[str, Any]]:
    path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _SEGMENT.findall(declared.path)
    ]
    query = [
        {
            "name": one.name,
            "in": "query",
            "required": one.required,
            "description": _since(one),
            "schema": dict(one.type.schema),
        }
        for one in declared.query.declared
    ]
    headers = [VERSION, *(["Idempotency-Key"] if declared.method == "POST" else [])]
    if declared.method == "GET":
        headers.append("If-None-Match")
    return [*path, *query, *(_ref("parameters", name) for name in headers)]


def _body(body: Any) -> dict[str, Any]:
    if isinstance(body, Parameters):
        required = [one.name for one in body.declared if one.required]
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {one.name: {**one.type.schema, "description": _since(one)} for one in body.declared},
            "additionalProperties": False,
            **({"required": required} if required else {}),
        }
        return {"required": bool(required), "content": {_JSON: {"schema": schema}}}
    return {"required": False, "content": {_JSON: {"schema": dict(body.schema)}}}


def _responses(declared: Route, handler: Callable[..., Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"description": "Done." if declared.status != 202 else "Accepted: it goes on in the background."}
    shown = declared.answer or _annotated(handler)
    if shown is not None:
        said["content"] = {declared.content_type: {"schema": shown}}
    responses = {str(declared.status): said, "4XX": _ref("responses", "Error"), "503": _ref("responses", "Error")}
    if declared.method == "GET":
        responses["304"] = {"description": "As it was: see If-None-Match."}
    if declared.passes_on:
        responses["2XX"] = {"description": "What the driver answers.", "content": {_JSON: {"schema": {}}}}
    return responses


def _annotated(handler: Callable[..., Any]) -> dict[str, Any] | None:
    """What a handler's annotation says of its answer; None where there is none."""
    returned = inspect.signature(handler).return_annotation
    if returned in (None, "None"):
        return None
    return {"type": "object"} if str(returned).startswith("dict") else {}


def _since(one: Parameter) -> str:
    return f"{one.help} Since {text(one.since)}."


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}
