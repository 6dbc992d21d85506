"""API resource ``/v1/bulk``: requests for up to 1000 nodes, with one result for each node in the order of the request."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
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
from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)
MAX_NODES = 1000
"""Maximum number of nodes in one request."""
_NODE = Parameters("field", CREATION)


class BulkResult(TypedDict):
    """The result for one node: status, content and error of the response that a request for this node alone would get.

    *node* is the created node or, for other requests, the UUID or name that the request gave.
    """

    status: int
    node: NotRequired[Any]
    error: NotRequired[ErrorBody]


class BulkResults(TypedDict):
    """A response with one result for each node, in the order of the request."""

    results: list[BulkResult]


def _parse_entries(value: Any) -> list[Any]:
    entries: list[Any] = ARRAY.parse(value)
    if not 0 < len(entries) <= MAX_NODES:
        raise InvalidValue(f"has {len(entries)} entries", f"use 1 to {MAX_NODES} entries")
    return entries


def _parse_idents(value: Any) -> list[str]:
    idents = _parse_entries(value)
    if not all(isinstance(ident, str) for ident in idents):
        raise InvalidValue("has an entry that is not text", "use the UUIDs or names of nodes")
    if len(set(idents)) < len(idents):
        raise InvalidValue("has an entry twice", "give each node once")
    return idents


_BOUNDS = {"type": "array", "minItems": 1, "maxItems": MAX_NODES}
_NEW_NODES = ValueType(_parse_entries, {**_BOUNDS, "items": _NODE.schema})
_IDENTS = ValueType(_parse_idents, {**_BOUNDS, "uniqueItems": True, "items": {"type": "string"}})
_NODES_PARAMETER = Parameter("nodes", _IDENTS, "The UUIDs or names of the nodes.", required=True)


class BulkResource:
    """Routes of requests for many nodes. An error of one node is its result and does not affect the other nodes."""

    def __init__(self) -> None:
        self._nodes, self._states = NodesResource(), NodeStatesResource()

    @route(
        "POST",
        "/v1/bulk/nodes",
        policy=CREATE,
        role="system-enroller",
        alternative_rules=(CREATE_OWN,),
        body=(
            Parameter(
                "nodes", _NEW_NODES, "The new nodes. Each entry has the fields of a request that creates one node.", required=True
            ),
        ),
    )
    def create(self, request: APIRequest) -> BulkResults:
        """Create many nodes. The response has status 200 and one result for each node."""

        def create_one(entry: Any) -> BulkResult:
            def parse_body() -> dict[str, Any]:
                return _NODE.bind(json_body.as_object(entry), request.minor)

            return _run_one(request, {}, parse_body, self._nodes.create, status=201)

        return {"results": [create_one(entry) for entry in request.body["nodes"]]}

    @route(
        "PUT",
        "/v1/bulk/nodes/states/provision",
        policy="baremetal:node:set_provision_state",
        body=(_NODES_PARAMETER, *PROVISION_BODY),
    )
    def provision(self, request: APIRequest) -> BulkResults:
        """Run the same provision verb on many nodes. The response has status 200 and one result for each node."""
        return _run_each(request, self._states.provision)

    @route(
        "PUT",
        "/v1/bulk/nodes/states/power",
        policy="baremetal:node:set_power_state",
        role="leased-member",
        body=(_NODES_PARAMETER, *POWER_BODY),
    )
    def power(self, request: APIRequest) -> BulkResults:
        """Request the same power state of many nodes. The response has status 200 and one result for each node."""
        return _run_each(request, self._states.set_power)


def _run_each(request: APIRequest, handler: Callable[[APIRequest], Any]) -> BulkResults:
    """Run *handler* once for each node that the request names, with the same body without the field ``nodes``."""
    body = {name: value for name, value in request.body.items() if name != "nodes"}
    results: list[BulkResult] = []
    for ident in request.body["nodes"]:
        result = _run_one(request, {"node": ident}, lambda: dict(body), handler, status=202)
        results.append({"node": ident, **result})
    return {"results": results}


def _run_one(
    request: APIRequest,
    arguments: dict[str, str],
    parse_body: Callable[[], Any],
    handler: Callable[[APIRequest], Any],
    *,
    status: int,
) -> BulkResult:
    """Run *handler* for one node and return its result, or its error.

    *arguments* are the path arguments of the request for this node, *status* is the status of its success. The audit log
    gets one entry for each node. An error from *parse_body* is the result of this node only.
    """
    node_request = dataclasses.replace(request, arguments=arguments, body=None)
    audited = audit.AuditedRequest()
    audited.route, audited.arguments, audited.request = request.route, arguments, node_request
    error_name = None
    try:
        node_request.body = parse_body()
        content = handler(node_request)
        result: BulkResult = {"status": status} if content is None else {"status": status, "node": content}
    except Exception as exc:
        if not isinstance(exc, BareMetalError):
            LOG.exception("%s for %s failed", request.path, arguments)
        error = errors.to_api_error(exc)
        error_name = type(error).__name__
        result = {"status": error.code, "error": errors.describe_error(error)}
    audit.record(audited, request.context, request.peer, result["status"], node_request.location, error_name)
    return result
