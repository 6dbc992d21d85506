"""One request as its handler sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from baremetal_interfaces import InvalidInput, NotFound, Problem
from baremetal_sdk.api.access.policy import Policy
from baremetal_sdk.api.events.feed import EventFeed
from baremetal_sdk.api.framework.backend import Backend
from baremetal_sdk.api.framework.render_cache import RenderCache
from baremetal_sdk.api.framework.routes import Route
from baremetal_sdk.api.framework.types import UUID_OR_NAME, InvalidValue, canonical_uuid
from baremetal_sdk.cluster.hash_ring import HashRing
from baremetal_sdk.context import RequestContext
from baremetal_sdk.errors import NodeNotFound
from baremetal_sdk.store.records.node import NodeRecord, NodeVersion, PortRecord
from baremetal_sdk.store.records.query import Scope

N = TypeVar("N", NodeRecord, NodeVersion)

VIEW_NODE = "baremetal:node:get"
"""The rule of those who see a node."""
NAMES_SINCE = 5
"""The minor number of the microversion in which nodes got names."""


@dataclass
class APIRequest:
    """A request that passed all checks that its route declares."""

    route: Route
    context: RequestContext
    minor: int
    """The minor number of the requested microversion."""
    base: str
    """What links start with: scheme, host and prefix, without a slash at the end."""
    path: str
    """The path that was requested, with its version and without a slash at the end."""
    arguments: dict[str, str]
    query: dict[str, Any]
    body: Any
    backend: Backend
    policy: Policy
    conductors: HashRing
    feed: EventFeed
    """Who follows events."""
    render_cache: RenderCache = field(default_factory=RenderCache)
    """Answers rendered before."""
    scope: Scope = Scope.ALL
    json_suffix: bool = False
    """Whether ``.json`` was cut off the path, as versions before 1.91 allow."""
    last_event: str | None = None
    """What ``Last-Event-ID`` said."""
    peer: str = ""
    """The address that it came from."""
    location: str | None = None
    """Path of what was made or is being changed; it goes into the ``Location`` header."""
    status: int | None = None
    """The status of the answer where it is not the route's."""
    headers: list[tuple[str, str]] = field(default_factory=list)

    def node(self, ident: str | None = None, *, rule: str | None = None) -> NodeRecord:
        """The node that the path names, or the one with *ident*, if the caller may do what *rule*, or this route, is about."""
        node = self._found_node(self.arguments["node"] if ident is None else ident, self.backend.store.node)
        self.enforce(node, rule)
        return node

    def node_version(self) -> NodeVersion:
        """What changes whenever the node that the path names does, if the caller may do to it what it is about to."""
        node = self._found_node(self.arguments["node"], self.backend.store.node_version)
        self.enforce(node)
        return node

    def enforce(self, node: NodeRecord | NodeVersion, rule: str | None = None) -> None:
        """Ask the policy whether the caller may do what *rule*, or this route, is about to *node*."""
        self.policy.enforce(rule or self.route.policy, self.context, node_target(node.owner, node.lessee, node.uuid))

    def is_allowed(self, rule: str, node: NodeRecord | None = None) -> bool:
        """Whether the caller may do what *rule* is about to *node* or, without one, at all."""
        target = {} if node is None else node_target(node.owner, node.lessee, node.uuid)
        return self.policy.allows(rule, self.context, target)

    def require(self, rule: str) -> None:
        """Ask the policy whether the caller may do what *rule* is about, which has no target. Raises ``Forbidden``."""
        self.policy.enforce(rule, self.context, {})

    def set_owner(self, values: dict[str, Any]) -> None:
        """Let what a project creates belong to it. Raises ``InvalidInput`` where it shall be another's."""
        project = self.context.project
        if project is None or self.context.is_system:
            return
        if (values.get("owner") or project) != project:
            raise InvalidInput([Problem("owner", "it is another project than yours", "leave it out")])
        values["owner"] = project

    def port(self, ident: str) -> PortRecord:
        """The port with this UUID or name."""
        return self.backend.store.port(check_ident("port", ident), scope=self.scope)

    def rpc(self, method: str, /, **arguments: Any) -> Any:
        """Have a conductor do something."""
        return self.backend.rpc.call(method, **arguments)

    def _found_node(self, ident: str, read: Callable[..., N]) -> N:
        named = check_ident("node", ident)
        if self.minor < NAMES_SINCE and canonical_uuid(named) is None:
            raise NodeNotFound(f"Node {named} could not be found. Before version 1.{NAMES_SINCE} nodes have no names.")
        try:
            node = read(named, scope=self.scope)
        except NotFound:
            if not self.json_suffix:
                raise
            node = read(named + ".json", scope=self.scope)
        if self.scope.project is not None:
            check_visible(self.policy, self.context, node)
        return node


def node_target(owner: str | None, lessee: str | None, uuid: str | None = None) -> dict[str, Any]:
    """A node of these projects as the target of a rule."""
    return {"node.uuid": uuid, "node.owner": owner, "node.lessee": lessee}


def check_visible(policy: Policy, context: RequestContext, node: NodeRecord | NodeVersion) -> None:
    """Raise ``NodeNotFound`` where the caller does not see a node of its project: of one that leases it, not everybody does."""
    if not policy.allows(VIEW_NODE, context, node_target(node.owner, node.lessee)):
        raise NodeNotFound(f"Node {node.uuid} could not be found.")


def check_ident(what: str, ident: str) -> str:
    """*ident* where it can be the UUID or the name of a *what*. Raises ``InvalidInput``."""
    try:
        return str(UUID_OR_NAME.parse(ident))
    except InvalidValue as exc:
        raise InvalidInput([Problem(what, exc.wrong, exc.allowed)]) from None
