"""API resources for agents that run on machines: lookup, heartbeat and inspection report. They need no credentials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypedDict

from baremetal_interfaces import Busy, InvalidInput, NotFound, Problem
from baremetal_interfaces.addresses import is_http_url
from baremetal_interfaces.secret_fields import mask_secrets
from baremetal_sdk.api.framework.microversions import MINIMUM
from baremetal_sdk.api.framework.parameters import Parameter, optional
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import PUBLIC, route
from baremetal_sdk.api.framework.schemas import UUIDText
from baremetal_sdk.api.framework.types import MAC, OBJECT, STRINGS, TEXT, UUID, InvalidValue, canonical_uuid, choice, text
from baremetal_sdk.api.framework.views import Link, build_links
from baremetal_sdk.errors import wrong_agent_token_error
from baremetal_sdk.store.records.node import NodeRecord

SINCE = 22
"""The minor number of the first microversion with lookup and heartbeat."""
TOKEN_SINCE = 62
"""The minor number of the first microversion with agent tokens."""
CONTINUE_SINCE = 84
"""The minor number of the first microversion that returns the node and the configuration after an inspection."""
HEARTBEAT_TIMEOUT_S = 300
"""Maximum seconds between two heartbeats of an agent. The lookup response contains it."""
_STATUSES = ("start", "end", "error")


class LookupNode(TypedDict):
    """The part of a node that its agent gets, with masked secrets."""

    uuid: UUIDText
    properties: Mapping[str, Any]
    instance_info: Mapping[str, Any]
    driver_internal_info: Mapping[str, Any]
    links: list[Link]


class AgentConfig(TypedDict):
    """The configuration of an agent. *heartbeat_timeout* is in seconds.

    *agent_token* is a mask if the agent already has its token, and null before microversion 1.62.
    """

    heartbeat_timeout: int
    metrics: dict[str, Any]
    metrics_statsd: dict[str, Any]
    agent_token: str | None
    agent_token_required: Literal[True]


class OldLookupResult(TypedDict):
    """The response to an inspection report before microversion 1.84: only the UUID of the node."""

    uuid: UUIDText


class LookupResult(TypedDict):
    """A response with the node of an agent, and the configuration of the agent."""

    node: LookupNode
    config: AgentConfig


class LookupResource:
    """Route with which an agent finds the node of the machine on which it runs."""

    @route(
        "GET",
        "/v1/lookup",
        policy="baremetal:driver:ipa_lookup",
        since=SINCE,
        visibility=PUBLIC,
        query=(
            Parameter(
                "addresses",
                STRINGS,
                "The MAC addresses of the machine, separated by commas. Addresses of other kinds are ignored.",
            ),
            Parameter("node_uuid", UUID, "The UUID of the node, if the agent knows it."),
        ),
    )
    def find(self, request: APIRequest) -> LookupResult:
        """Return the node of an agent's machine, found by MAC addresses or UUID, and the configuration of the agent."""
        _require_ready(request)
        addresses = _select_macs(request.query.get("addresses", ()))
        node = request.query.get("node_uuid")
        if not addresses and node is None:
            wrong = "contains no MAC address, and node_uuid is missing"
            raise InvalidInput([Problem("addresses", wrong, "give a MAC address or node_uuid")])
        return _build_lookup_result(request, request.rpc("lookup_node", addresses=addresses, node=node))


class HeartbeatsResource:
    """Routes that receive the heartbeats of agents."""

    @route(
        "POST",
        "/v1/heartbeat/{node}",
        policy="baremetal:node:ipa_heartbeat",
        status=202,
        since=SINCE,
        visibility=PUBLIC,
        body=(
            Parameter(
                "callback_url",
                text(4096),
                "The HTTP URL at which the agent accepts requests, or an empty text if the agent accepts none.",
                required=True,
            ),
            optional("agent_version", TEXT, "The version of the agent.", 36),
            optional(
                "agent_token", TEXT, "The token that the first lookup returned. Requests without it are refused.", TOKEN_SINCE
            ),
            optional("agent_verify_ca", text(65536), "The TLS certificate of the agent, in PEM format.", 68),
            optional("agent_status", choice(*_STATUSES), "The progress that the agent reports: start, end or error.", 72),
            optional("agent_status_message", text(4096), "Details about agent_status.", 72),
        ),
    )
    def take(self, request: APIRequest) -> None:
        """Record the heartbeat of an agent, and continue the work on the node that waits for it."""
        _require_ready(request)
        heartbeat = dict(request.body)
        _check_callback_url(heartbeat["callback_url"])
        if not heartbeat.get("agent_token"):
            raise InvalidInput([Problem("agent_token", "is missing", "send the token from the lookup response")])
        if heartbeat.get("agent_version") is None and heartbeat.get("agent_status") is None:
            raise InvalidInput([Problem("agent_version", "is missing", "send the version of the agent, or agent_status")])
        ident = request.arguments["node"]
        try:
            node = request.backend.store.node(canonical_uuid(ident) or ident)
            request.rpc("heartbeat", node=node.uuid, beat=heartbeat)
        except NotFound:
            # As for a wrong token: clients without one must not find out which nodes exist.
            raise wrong_agent_token_error() from None

    @route(
        "POST", "/v1/heartbeat", policy="baremetal:node:ipa_heartbeat", status=202, since=SINCE, visibility=PUBLIC, body=OBJECT
    )
    def refuse_without_node(self, request: APIRequest) -> None:
        """Return status 400, because the path of a heartbeat must name the node."""
        raise InvalidInput([Problem("node", "is missing", "send the heartbeat to /v1/heartbeat/NODE")])


class ContinueInspectionResource:
    """Route that receives the inspection reports of agents."""

    @route(
        "POST",
        "/v1/continue_inspection",
        policy="baremetal:driver:ipa_continue_inspection",
        status=202,
        since=CONTINUE_SINCE,
        also_versions=(MINIMUM,),
        visibility=PUBLIC,
        query=(Parameter("node_uuid", UUID, "The UUID of the node, if the agent knows it.", since=CONTINUE_SINCE),),
        body=OBJECT,
    )
    def take(self, request: APIRequest) -> LookupResult | OldLookupResult:
        """Accept the inspection report of an agent. The service stores it in the background and ends the inspection."""
        _require_ready(request)
        inventory, plugin_data = _split_report(request.body)
        found = request.rpc(
            "continue_inspection",
            addresses=_interface_macs(inventory),
            inventory=inventory,
            plugin_data=plugin_data,
            node=request.query.get("node_uuid"),
        )
        if request.minor >= CONTINUE_SINCE:
            return _build_lookup_result(request, found)
        return {"uuid": found["node"].uuid}


def _require_ready(request: APIRequest) -> None:
    if not request.backend.ready:
        raise Busy("the service is starting or stopping; try again later", retry_after=1.0)


def _select_macs(addresses: Iterable[Any]) -> list[str]:
    """Return the MAC addresses among *addresses*. A machine may also have addresses of other kinds, which are ignored."""
    macs: list[str] = []
    for address in addresses:
        try:
            macs.append(str(MAC.parse(address)))
        except InvalidValue:
            continue
    return macs


def _split_report(body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the inventory of an inspection report, and its other fields. Raises ``InvalidInput`` for an invalid inventory."""
    inventory = body.get("inventory")
    interfaces = inventory.get("interfaces") if isinstance(inventory, dict) else None
    if not isinstance(inventory, dict) or not isinstance(interfaces, list) or not interfaces:
        raise InvalidInput([Problem("inventory", "has no interfaces", 'give {"inventory": {"interfaces": [...], ...}}')])
    problems = [
        Problem(f"inventory/interfaces/{position}", "has no MAC address", "use an object with mac_address")
        for position, interface in enumerate(interfaces)
        if not isinstance(interface, dict) or "mac_address" not in interface
    ]
    if problems:
        raise InvalidInput(problems)
    return inventory, {name: value for name, value in body.items() if name != "inventory"}


def _interface_macs(inventory: Mapping[str, Any]) -> list[str]:
    return _select_macs(interface["mac_address"] for interface in inventory["interfaces"])


def _check_callback_url(url: str) -> None:
    """Raise ``InvalidInput`` unless *url* is an HTTP URL or empty. An agent that only sends reports has no URL."""
    if url and not is_http_url(url):
        raise InvalidInput([Problem("callback_url", "is not an HTTP URL", "use http://... or https://...")])


def _build_lookup_result(request: APIRequest, found: Mapping[str, Any]) -> LookupResult:
    """Return the response to a lookup or an inspection report from the result of the RPC method."""
    node: NodeRecord = found["node"]
    config: AgentConfig = {
        "heartbeat_timeout": HEARTBEAT_TIMEOUT_S,
        "metrics": {
            "backend": "noop",
            "prepend_host": False,
            "prepend_uuid": False,
            "prepend_host_reverse": True,
            "global_prefix": None,
        },
        "metrics_statsd": {"statsd_host": "localhost", "statsd_port": 8125},
        "agent_token": found["token"] if request.minor >= TOKEN_SINCE else None,
        "agent_token_required": True,
    }
    lookup_node: LookupNode = {
        "uuid": node.uuid,
        "properties": node.properties,
        "instance_info": mask_secrets(node.instance_info),
        "driver_internal_info": mask_secrets(node.driver_internal_info),
        "links": build_links(request.base, f"nodes/{node.uuid}"),
    }
    return {"node": lookup_node, "config": config}
