"""``/v1/bulk``: many nodes in one request, and one result for each, in the order in which they were given."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable
from typing import Any, NotRequired, TypedDict

from baremetal_interfaces import BareMetalError
from baremetal_sdk.api.access import audit
from baremetal_sdk.api.framework import errors, json_body
from baremetal_sdk.api.framework.errors import Fault
from baremetal_sdk.api.framework.parameters import Parameter, Parameters
from baremetal_sdk.api.framework.request import Call
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import ARRAY, ValueType, Wrong
from baremetal_sdk.api.v1.node_fields import CREATION
from baremetal_sdk.api.v1.node_rules import CREATE, CREATE_OWN
from baremetal_sdk.api.v1.node_states import POWER_BODY, NodeStates
from baremetal_sdk.api.v1.nodes import Nodes
from baremetal_sdk.api.v1.provision_verbs import PROVISION_BODY

LOG = logging.getLogger(__name__)
MOST = 1000
"""Nodes in one request."""
_NODE = Parameters("field", CREATION)


class Result(TypedDict):
    """What a request about one node would be answered with; *node* is what was created, or how the request named it."""

    status: int
    node: NotRequired[Any]
    error: NotRequired[Fault]


class Results(TypedDict):
    """One result for each node, in the order in which they were given."""

    results: list[Result]


def _some(value: Any) -> list[Any]:
    found: list[Any] = ARRAY.parse(value)
    if not 0 < len(found) <= MOST:
        raise Wrong(f"it has {len(found)} entries", f"1 to {MOST} are taken")
    return found


def _names(value: Any) -> list[str]:
    found = _some(value)
    if not all(isinstance(one, str) for one in found):
        raise Wrong("an entry is no text", "give UUIDs and names")
    if len(set(found)) < len(found):
        raise Wrong("an entry is there twice", "give each node once")
    return found


_BOUNDS = {"type": "array", "minItems": 1, "maxItems": MOST}
_NEW_NODES = ValueType(_some, {**_BOUNDS, "items": _NODE.schema})
_NAMES = ValueType(_names, {**_BOUNDS, "uniqueItems": True, "items": {"type": "string"}})
_WHICH = Parameter("nodes", _NAMES, "Their UUIDs or names.", required=True)


class Bulk:
    """Requests about one node, done for many. One that is refused does not hold up the others."""

    def __init__(self) -> None:
        self._nodes, self._states = Nodes(), NodeStates()

    @route(
        "POST",
        "/v1/bulk/nodes",
        policy=CREATE,
        role="system-enroller",
        also=(CREATE_OWN,),
        body=(Parameter("nodes", _NEW_NODES, "Nodes, each as in a request of its own.", required=True),),
    )
    def create(self, call: Call) -> Results:
        """Enrol many nodes."""

        def one(entry: Any) -> Result:
            return _tried(call, {}, lambda: _NODE.bind(json_body.as_object(entry), call.minor), self._nodes.create, 201)

        return {"results": [one(entry) for entry in call.body["nodes"]]}

    @route(
        "PUT",
        "/v1/bulk/nodes/states/provision",
        policy="baremetal:node:set_provision_state",
        body=(_WHICH, *PROVISION_BODY),
    )
    def provision(self, call: Call) -> Results:
        """Start the same change of the provision state of many nodes."""
        return _of_each(call, self._states.provision)

    @route(
        "PUT",
        "/v1/bulk/nodes/states/power",
        policy="baremetal:node:set_power_state",
        role="leased-member",
        body=(_WHICH, *POWER_BODY),
    )
    def power(self, call: Call) -> Results:
        """Start the same change of the power state of many nodes."""
        return _of_each(call, self._states.set_power)


def _of_each(call: Call, handler: Callable[[Call], Any]) -> Results:
    body = {name: value for name, value in call.body.items() if name != "nodes"}
    names: Iterable[str] = call.body["nodes"]
    return {"results": [_named(name, _tried(call, {"node": name}, lambda: dict(body), handler, 202)) for name in names]}


def _named(name: str, result: Result) -> Result:
    return {"node": name, **result}


def _tried(call: Call, arguments: dict[str, str], body: Callable[[], Any], handler: Callable[[Call], Any], status: int) -> Result:
    """What a request about one node would be answered with; the audit log has a line for each."""
    asked, why = audit.Asked(), None
    asked.route, asked.arguments = call.route, arguments
    asked.call = one = dataclasses.replace(call, arguments=arguments, body=None, headers=[])
    try:
        one.body = body()
        shown = handler(one)
        result: Result = {"status": status} if shown is None else {"status": status, "node": shown}
    except Exception as exc:
        if not isinstance(exc, BareMetalError):
            LOG.exception("%s of %s failed", call.path, arguments)
        error = errors.as_own(exc)
        why, result = type(error).__name__, {"status": error.code, "error": errors.told(error)}
    audit.record(asked, call.context, call.peer, result["status"], one.location, why)
    return result
