"""``/v1/bulk``: many nodes in one request, and one result for each, in the order in which they were given."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable
from typing import Any, NotRequired, TypedDict

from baremetal_interfaces import BareMetalError
from baremetal_sdk.api.access import audit
from baremetal_sdk.api.framework import errors, json_body
from baremetal_sdk.api.framework.errors import ErrorBody
from baremetal_sdk.api.framework.parameters import Parameter, Parameters
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import ARRAY, InvalidValue, ValueType
from baremetal_sdk.api.v1.node_fields import CREATION
from baremetal_sdk.api.v1.node_rules import CREATE, CREATE_OWN
from baremetal_sdk.api.v1.node_states import POWER_BODY, NodeStatesResource
from baremetal_sdk.api.v1.nodes import NodesResource
from baremetal_sdk.api.v1.provision_verbs import PROVISION_BODY

LOG = logging.getLogger(__name__)
MOST = 1000
"""Nodes in one request."""
_NODE = Parameters("field", CREATION)


class BulkResult(TypedDict):
    """What a request about one node would be answered with; *node* is what was created, or how the request named it."""

    status: int
    node: NotRequired[Any]
    error: NotRequired[ErrorBody]


class BulkResults(TypedDict):
    """One result for each node, in the order in which they were given."""

    results: list[BulkResult]


def _some(value: Any) -> list[Any]:
    found: list[Any] = ARRAY.parse(value)
    if not 0 < len(found) <= MOST:
        raise InvalidValue(f"it has {len(found)} entries", f"1 to {MOST} are taken")
    return found


def _names(value: Any) -> list[str]:
    found = _some(value)
    if not all(isinstance(one, str) for one in found):
        raise InvalidValue("an entry is no text", "give UUIDs and names")
    if len(set(found)) < len(found):
        raise InvalidValue("an entry is there twice", "give each node once")
    return found


_BOUNDS = {"type": "array", "minItems": 1, "maxItems": MOST}
_NEW_NODES = ValueType(_some, {**_BOUNDS, "items": _NODE.schema})
_NAMES = ValueType(_names, {**_BOUNDS, "uniqueItems": True, "items": {"type": "string"}})
_WHICH = Parameter("nodes", _NAMES, "Their UUIDs or names.", required=True)


class BulkResource:
    """Requests about one node, done for many. One that is refused does not hold up the others."""

    def __init__(self) -> None:
        self._nodes, self._states = NodesResource(), NodeStatesResource()

    @route(
        "POST",
        "/v1/bulk/nodes",
        policy=CREATE,
        role="system-enroller",
        alternative_rules=(CREATE_OWN,),
        body=(Parameter("nodes", _NEW_NODES, "Nodes, each as in a request of its own.", required=True),),
    )
    def create(self, request: APIRequest) -> BulkResults:
        """Enrol many nodes."""

        def one(entry: Any) -> BulkResult:
            return _tried(request, {}, lambda: _NODE.bind(json_body.as_object(entry), request.minor), self._nodes.create, 201)

        return {"results": [one(entry) for entry in request.body["nodes"]]}

    @route(
        "PUT",
        "/v1/bulk/nodes/states/provision",
        policy="baremetal:node:set_provision_state",
        body=(_WHICH, *PROVISION_BODY),
    )
    def provision(self, request: APIRequest) -> BulkResults:
        """Start the same change of the provision state of many nodes."""
        return _of_each(request, self._states.provision)

    @route(
        "PUT",
        "/v1/bulk/nodes/states/power",
        policy="baremetal:node:set_power_state",
        role="leased-member",
        body=(_WHICH, *POWER_BODY),
    )
    def power(self, request: APIRequest) -> BulkResults:
        """Start the same change of the power state of many nodes."""
        return _of_each(request, self._states.set_power)


def _of_each(request: APIRequest, handler: Callable[[APIRequest], Any]) -> BulkResults:
    body = {name: value for name, value in request.body.items() if name != "nodes"}
    names: Iterable[str] = request.body["nodes"]
    return {"results": [_named(name, _tried(request, {"node": name}, lambda: dict(body), handler, 202)) for name in names]}


def _named(name: str, result: BulkResult) -> BulkResult:
    return {"node": name, **result}


def _tried(
    request: APIRequest, arguments: dict[str, str], body: Callable[[], Any], handler: Callable[[APIRequest], Any], status: int
) -> BulkResult:
    """What a request about one node would be answered with; the audit log has a line for each."""
    asked, why = audit.AuditedRequest(), None
    asked.route, asked.arguments = request.route, arguments
    asked.request = one = dataclasses.replace(request, arguments=arguments, body=None, headers=[])
    try:
        one.body = body()
        shown = handler(one)
        result: BulkResult = {"status": status} if shown is None else {"status": status, "node": shown}
    except Exception as exc:
        if not isinstance(exc, BareMetalError):
            LOG.exception("%s of %s failed", request.path, arguments)
        error = errors.to_api_error(exc)
        why, result = type(error).__name__, {"status": error.code, "error": errors.describe_error(error)}
    audit.record(asked, request.context, request.peer, result["status"], one.location, why)
    return result
