"""The request object that handlers of routes get, and checks of the nodes that a request names."""

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
"""The rule that allows a client to see a node."""
NAMES_SINCE = 5
"""The minor number of the first microversion with names of nodes."""


@dataclass
class APIRequest:
    """A request that passed the checks of its route: version, parameters and body, and a first check of its policy rule.

    The first check only refuses clients that the rule allows for no target. Handlers check the rule for the target itself.
    """

    route: Route
    context: RequestContext
    minor: int
    """The minor number of the requested microversion."""
    base: str
    """The start of all links: scheme, host and prefix, without a trailing slash."""
    path: str
    """The requested path with its version and without a trailing slash."""
    arguments: dict[str, str]
    """The values in the path, by the names in the route's template."""
    query: dict[str, Any]
    """The parsed query parameters that the client gave."""
    body: Any
    """The parsed body, or None if the route has none."""
    backend: Backend
    policy: Policy
    conductors: HashRing
    feed: EventFeed
    """The event streams of the application."""
    render_cache: RenderCache = field(default_factory=RenderCache)
    """The rendered records of the application."""
    scope: Scope = Scope.ALL
    """The records that the client may see."""
    json_suffix: bool = False
    """True if the suffix ``.json`` was removed from the path, as microversions before 1.91 allow."""
    last_event: str | None = None
    """The header ``Last-Event-ID``."""
    peer: str = ""
    """The IP address of the client."""
    is_authorized: Callable[[], bool] = lambda: True
    """Returns whether the client could still authenticate as before: its token is not revoked, and its roles are the same."""
    location: str | None = None
    """The path below ``/v1/`` of the created or changed resource, for the ``Location`` header. Handlers set it."""
    status: int | None = None
    """The HTTP status if it differs from that of the route. Handlers set it."""

    def node(self, ident: str | None = None, *, rule: str | None = None) -> NodeRecord:
        """Return the node in the path, or the node *ident*, after a check of *rule*, by default the rule of the route.

        Raises ``NodeNotFound`` if the node does not exist or the client may not see it, ``InvalidInput`` for an invalid name,
        and ``Forbidden`` if the rule does not allow the request for the node.
        """
        node = self._read_node(self.arguments["node"] if ident is None else ident, self.backend.store.node)
        self.enforce(node, rule)
        return node

    def node_version(self) -> NodeVersion:
        """Return the revision, owner and lessee of the node in the path, after the checks of :meth:`node`. It is cheaper."""
        node = self._read_node(self.arguments["node"], self.backend.store.node_version)
        self.enforce(node)
        return node

    def enforce(self, node: NodeRecord | NodeVersion, rule: str | None = None) -> None:
        """Raise ``Forbidden`` unless *rule*, by default the rule of the route, allows the request for *node*."""
        self.policy.enforce(rule or self.route.policy, self.context, node_target(node.owner, node.lessee, node.uuid))

    def is_allowed(self, rule: str, node: NodeRecord | None = None) -> bool:
        """Return whether *rule* allows the client to act on *node* or, with None, without a target."""
        target = {} if node is None else node_target(node.owner, node.lessee, node.uuid)
        return self.policy.allows(rule, self.context, target)

    def require(self, rule: str) -> None:
        """Raise ``Forbidden`` unless *rule* allows the client to act without a target, for example to create a record."""
        self.policy.enforce(rule, self.context, {})

    def set_owner(self, values: dict[str, Any]) -> None:
        """Set ``owner`` in *values* to the client's project. Raises ``InvalidInput`` for another owner.

        For clients with system scope or without a project, *values* stay unchanged.
        """
        project = self.context.project
        if project is None or self.context.is_system:
            return
        if (values.get("owner") or project) != project:
            raise InvalidInput([Problem("owner", "is not your project", "leave the field out")])
        values["owner"] = project

    def port(self, ident: str) -> PortRecord:
        """Return the port *ident* (a UUID or name), if the client may see it. Raises ``PortNotFound`` and ``InvalidInput``."""
        return self.backend.store.port(check_ident("port", ident), scope=self.scope)

    def rpc(self, method: str, /, **arguments: Any) -> Any:
        """Call the RPC *method* of a conductor and return its result. Raises the error of the method or of the transport."""
        return self.backend.rpc.call(method, **arguments)

    def _read_node(self, ident: str, read: Callable[..., N]) -> N:
        ident = check_ident("node", ident)
        if self.minor < NAMES_SINCE and canonical_uuid(ident) is None:
            raise NodeNotFound(f"Node {ident} could not be found. Before version 1.{NAMES_SINCE} nodes have no names.")
        try:
            node = read(ident, scope=self.scope)
        except NotFound:
            if not self.json_suffix:
                raise
            # The suffix may belong to the name of the node.
            node = read(ident + ".json", scope=self.scope)
        if self.scope.project is not None:
            check_visible(self.policy, self.context, node)
        return node


def node_target(owner: str | None, lessee: str | None, uuid: str | None = None) -> dict[str, Any]:
    """Return the attributes of a node by which a policy rule decides. They also serve for records that belong to the node."""
    return {"node.uuid": uuid, "node.owner": owner, "node.lessee": lessee}


def check_visible(policy: Policy, context: RequestContext, node: NodeRecord | NodeVersion) -> None:
    """Raise ``NodeNotFound`` if the client may not see *node*.

    The scope of the store contains all nodes that the client's project owns or leases. The policy may require a higher role
    for leased ones.
    """
    if not policy.allows(VIEW_NODE, context, node_target(node.owner, node.lessee)):
        raise NodeNotFound(f"Node {node.uuid} could not be found.")


def check_ident(what: str, ident: str) -> str:
    """Return *ident* if it has the form of a UUID or a name. Otherwise raise ``InvalidInput``, which names the field *what*."""
    try:
        return str(UUID_OR_NAME.parse(ident))
    except InvalidValue as exc:
        raise InvalidInput([Problem(what, exc.wrong, exc.allowed)]) from None
