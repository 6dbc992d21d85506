"""``/v1/lookup``, ``/v1/heartbeat`` and ``/v1/continue_inspection``: what agents on machines ask. They have no credentials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict
from urllib.parse import urlsplit

from baremetal_interfaces import Busy, InvalidInput, Problem
from baremetal_sdk.api.framework.masking import mask_secrets
from baremetal_sdk.api.framework.microversions import MINIMUM
from baremetal_sdk.api.framework.parameters import Parameter, optional
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import PUBLIC, route
from baremetal_sdk.api.framework.schemas import UUIDText
from baremetal_sdk.api.framework.types import MAC, OBJECT, STRINGS, TEXT, UUID, InvalidValue, canonical_uuid, choice, text
from baremetal_sdk.api.framework.views import Link, links
from baremetal_sdk.store.records.node import NodeRecord

SINCE = 22
TOKEN_SINCE = 62
CONTINUE_SINCE = 84
HEARTBEAT_TIMEOUT = 300
"""Seconds in which an agent says again that it lives; agents are told."""
_STATUSES = ("start", "end", "error")


class LookupNode(TypedDict):
    """A node, as far as its agent is told."""

    uuid: UUIDText
    properties: Mapping[str, Any]
    instance_info: Mapping[str, Any]
    driver_internal_info: Mapping[str, Any]
    links: list[Link]


class AgentConfig(TypedDict):
    """How an agent is to behave."""

    heartbeat_timeout: int
    metrics: dict[str, Any]
    metrics_statsd: dict[str, Any]
    agent_token: str | None
    agent_token_required: Literal[True]


class OldLookupResult(TypedDict):
    """What an agent was told of its node before there was more to tell."""

    uuid: UUIDText


class LookupResult(TypedDict):
    """What an agent is told of its node."""

    node: LookupNode
    config: AgentConfig


class LookupResource:
    """Agents look for the node whose machine they run on."""

    @route(
        "GET",
        "/v1/lookup",
        policy="baremetal:driver:ipa_lookup",
        since=SINCE,
        visibility=PUBLIC,
        query=(
            Parameter("addresses", STRINGS, "MAC addresses of the machine, with commas between them."),
            Parameter("node_uuid", UUID, "The UUID of the node, where the agent knows it."),
        ),
    )
    def find(self, request: APIRequest) -> LookupResult:
        """Find the node of an agent."""
        _require_ready(request)
        addresses, node = _macs(request.query.get("addresses", ())), request.query.get("node_uuid")
        if not addresses and node is None:
            raise InvalidInput([Problem("addresses", "none is a MAC address, and node_uuid is missing", "give one of them")])
        return _met(request, request.rpc("lookup_node", addresses=addresses, node=node))


class HeartbeatsResource:
    """Agents say that they live."""

    @route(
        "POST",
        "/v1/heartbeat/{node}",
        policy="baremetal:node:ipa_heartbeat",
        status=202,
        since=SINCE,
        visibility=PUBLIC,
        body=(
            Parameter("callback_url", text(4096), "Where the agent listens.", required=True),
            optional("agent_version", TEXT, "The agent's version.", 36),
            optional("agent_token", TEXT, "The token that the lookup gave.", TOKEN_SINCE),
            optional("agent_verify_ca", text(65536), "The certificate that the agent shows.", 68),
            optional("agent_status", choice(*_STATUSES), "How far the agent is.", 72),
            optional("agent_status_message", text(4096), "What it says about that.", 72),
        ),
    )
    def take(self, request: APIRequest) -> None:
        """Take note that an agent lives."""
        _require_ready(request)
        beat = dict(request.body)
        _check_url(beat["callback_url"])
        if not beat.get("agent_token"):
            raise InvalidInput([Problem("agent_token", "it is missing", "give the token that the lookup gave")])
        if beat.get("agent_version") is None and beat.get("agent_status") is None:
            raise InvalidInput([Problem("agent_version", "it is missing", "an agent names its version")])
        ident = request.arguments["node"]
        node = request.backend.store.node(canonical_uuid(ident) or ident)
        request.rpc("heartbeat", node=node.uuid, beat=beat)

    @route(
        "POST", "/v1/heartbeat", policy="baremetal:node:ipa_heartbeat", status=202, since=SINCE, visibility=PUBLIC, body=OBJECT
    )
    def take_of_nobody(self, request: APIRequest) -> None:
        """Refuse a heartbeat that names no node."""
        raise InvalidInput([Problem("node", "it is missing", "send it to /v1/heartbeat/NODE")])


class ContinueInspectionResource:
    """Agents report what their machine is made of."""

    @route(
        "POST",
        "/v1/continue_inspection",
        policy="baremetal:driver:ipa_continue_inspection",
        status=202,
        since=CONTINUE_SINCE,
        also_versions=(MINIMUM,),
        visibility=PUBLIC,
        query=(Parameter("node_uuid", UUID, "The UUID of the node, where the agent knows it.", since=CONTINUE_SINCE),),
        body=OBJECT,
    )
    def take(self, request: APIRequest) -> LookupResult | OldLookupResult:
        """Take what an agent found."""
        _require_ready(request)
        inventory, plugin_data = _parted(request.body)
        node = request.query.get("node_uuid")
        met = request.rpc(
            "continue_inspection", addresses=_interface_macs(inventory), inventory=inventory, plugin_data=plugin_data, node=node
        )
        return _met(request, met) if request.minor >= CONTINUE_SINCE else {"uuid": met["node"].uuid}


def _require_ready(request: APIRequest) -> None:
    if not request.backend.ready:
        raise Busy("the service is starting or stopping; try again", retry_after=1.0)


def _macs(given: Any) -> list[str]:
    """Those of the given addresses that are MAC addresses; machines have others, too."""
    found: list[str] = []
    for address in given:
        try:
            found.append(str(MAC.parse(address)))
        except InvalidValue:
            continue
    return found


def _parted(body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The inventory, and all else that the agent sent."""
    inventory = body.get("inventory")
    interfaces = inventory.get("interfaces") if isinstance(inventory, dict) else None
    if not isinstance(inventory, dict) or not isinstance(interfaces, list) or not interfaces:
        raise InvalidInput([Problem("inventory", "it has no interfaces", 'give {"inventory": {"interfaces": [...], ...}}')])
    wrong = [number for number, one in enumerate(interfaces) if not isinstance(one, dict) or "mac_address" not in one]
    if wrong:
        allowed = "an interface is an object with mac_address"
        raise InvalidInput([Problem(f"inventory/interfaces/{number}", "it has no MAC address", allowed) for number in wrong])
    return inventory, {name: value for name, value in body.items() if name != "inventory"}


def _interface_macs(inventory: Mapping[str, Any]) -> list[str]:
    return _macs(interface["mac_address"] for interface in inventory["interfaces"])


def _check_url(url: str) -> None:
    """An agent that only reports has no address; any other has one of HTTP."""
    try:
        is_http = urlsplit(url).scheme in ("http", "https")
    except ValueError:
        is_http = False
    if url and not is_http:
        raise InvalidInput([Problem("callback_url", "it is no URL of HTTP", "give http://... or https://...")])


def _met(request: APIRequest, met: Mapping[str, Any]) -> LookupResult:
    node: NodeRecord = met["node"]
    config: AgentConfig = {
        "heartbeat_timeout": HEARTBEAT_TIMEOUT,
        "metrics": {
            "backend": "noop",
            "prepend_host": False,
            "prepend_uuid": False,
            "prepend_host_reverse": True,
            "global_prefix": None,
        },
        "metrics_statsd": {"statsd_host": "localhost", "statsd_port": 8125},
        "agent_token": met["token"] if request.minor >= TOKEN_SINCE else None,
        "agent_token_required": True,
    }
    shown: LookupNode = {
        "uuid": node.uuid,
        "properties": node.properties,
        "instance_info": mask_secrets(node.instance_info),
        "driver_internal_info": mask_secrets(node.driver_internal_info),
        "links": links(request.base, f"nodes/{node.uuid}"),
    }
    return {"node": shown, "config": config}
