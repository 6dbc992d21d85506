"""Resources that are records of the store: a base class with list, show, create, update and delete, and its helpers.

Reads go to the store. Writes go to a conductor by RPC, so that only conductors write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeVar

from baremetal_interfaces import Forbidden, InvalidInput, NotFound, Problem
from baremetal_sdk.api.access.personas import Persona
from baremetal_sdk.api.framework.errors import to_invalid_input
from baremetal_sdk.api.framework.pagination import DETAIL, FIELDS, PAGING, build_page, parse_page_request, render_record
from baremetal_sdk.api.framework.parameters import Parameter, Parameters
from baremetal_sdk.api.framework.request import VIEW_NODE, APIRequest, check_ident
from baremetal_sdk.api.framework.resource_fields import WritableFields
from baremetal_sdk.api.framework.routes import Route, declare_routes
from baremetal_sdk.api.framework.types import ValueType, canonical_uuid
from baremetal_sdk.api.framework.views import ResponseSpec, View
from baremetal_sdk.store.records.kinds import RECORD_KINDS
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.query import Query
from baremetal_sdk.store.revisions import retry_on_revision_conflict
from baremetal_sdk.update_rules.rules import Change, OperationRules

R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Operation:
    """Declaration of one operation of a :class:`CRUDResource`: its handler, and the values of its route beyond the defaults."""

    name: str
    """The name of the handler method."""
    policy: str
    """The policy rule."""
    role: Persona | None = None
    """The persona of the rule. None selects the default for the HTTP method."""
    since: int | None = None
    """The minor number of the first microversion. None selects that of the resource."""
    too_old_status: int = 404
    alternative_rules: tuple[str, ...] = ()
    note: str = ""
    """The end of the summary, such as "while its node is off"."""
    like: str | None = None
    """The standard operation with the same HTTP method, query, body and response. None: *name* is a standard operation."""
    path: str | None = None
    """The path. None selects that of the standard operation."""
    summary: str | None = None
    """The summary. None selects that of the standard operation."""


class _Standard(NamedTuple):
    """The defaults of a standard operation. The paths and summaries are templates."""

    method: str
    path: str
    summary: str
    status: int = 200


_STANDARD: Mapping[str, _Standard] = {
    "list": _Standard("GET", "/v1/{collection}", "List {plural}"),
    "list_whole": _Standard("GET", "/v1/{collection}/detail", "List {plural} with all their fields"),
    "list_of_node": _Standard("GET", "/v1/nodes/{{node}}/{collection}", "List the {plural} of a node"),
    "list_whole_of_node": _Standard(
        "GET", "/v1/nodes/{{node}}/{collection}/detail", "List the {plural} of a node with all their fields"
    ),
    "show": _Standard("GET", "/v1/{collection}/{{{argument}}}", "Show {singular}"),
    "create": _Standard("POST", "/v1/{collection}", "Create {singular}", 201),
    "update": _Standard("PATCH", "/v1/{collection}/{{{argument}}}", "Change fields of {singular}"),
    "delete": _Standard("DELETE", "/v1/{collection}/{{{argument}}}", "Delete {singular}", 204),
}


class CRUDResource:
    """Base class of a resource whose items are records of one class.

    A subclass sets the class attributes. *operations* lists the operations that are served, in the order of the
    documentation; their routes are built from it. A subclass changes single steps by overriding the methods below
    ``delete``, and adds operations by defining a handler and listing it with ``like``. Further handlers may use
    ``route`` as in any resource.
    """

    view: ClassVar[View]
    """The view; it also names the record class and the path below ``/v1/``."""
    fields: ClassVar[WritableFields]
    """The fields that clients write."""
    argument: ClassVar[str]
    """The name of the path segment that identifies a record."""
    singular: ClassVar[str]
    """The name of one record with its article, for summaries."""
    plural: ClassVar[str]
    """The name of several records, for summaries."""
    since: ClassVar[int] = 1
    """The minor number of the first microversion with the resource."""
    filters: ClassVar[tuple[Parameter, ...]] = ()
    """The query parameters of ``list`` that select records."""
    detail: ClassVar[Parameter] = DETAIL
    """The query parameter that selects all fields."""
    operations: ClassVar[tuple[Operation, ...]] = ()
    """The operations that are served, in the order of the documentation."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # Only a class with its own list gets routes, so that an intermediate base class has none.
        if "operations" in vars(cls):
            declare_routes(cls, [(operation.name, cls._route(operation)) for operation in cls.operations])

    @classmethod
    def _route(cls, operation: Operation) -> Route:
        """Return the route of *operation*, completed with the defaults of the standard operation."""
        kind = operation.like or operation.name
        standard = _STANDARD[kind]
        texts = {"argument": cls.argument, "collection": cls.view.path, "plural": cls.plural, "singular": cls.singular}
        note = f" {operation.note}" if operation.note else ""
        queries = {
            "list": (*cls.filters, *PAGING, FIELDS, cls.detail),
            "list_whole": (*cls.filters, *PAGING),
            "list_of_node": (*PAGING, FIELDS, cls.detail),
            "list_whole_of_node": PAGING,
            "show": (FIELDS,),
        }
        bodies: dict[str, Parameters | ValueType] = {
            "create": Parameters("field", cls.fields.creation_fields),
            "update": cls.fields.patch_type,
        }
        response = None
        if kind != "delete":
            is_whole = kind in ("list_whole", "list_whole_of_node", "create", "update")
            response = ResponseSpec(cls.view, page=kind.startswith("list"), whole=is_whole)
        return Route(
            method=standard.method,
            path=operation.path or standard.path.format(**texts),
            policy=operation.policy,
            status=standard.status,
            since=cls.since if operation.since is None else operation.since,
            too_old_status=operation.too_old_status,
            role=operation.role,
            alternative_rules=operation.alternative_rules,
            query=Parameters("query parameter", queries.get(kind, ())),
            body=bodies.get(kind),
            summary=operation.summary or standard.summary.format(**texts) + note + ".",
            response=response,
        )

    def list(self, request: APIRequest) -> dict[str, Any]:
        """Return a page of records with the fields that the query selects."""
        return self.list_page(request, self.where(request))

    def list_whole(self, request: APIRequest) -> dict[str, Any]:
        """Return a page of records with all fields."""
        return self.list_page(request, self.where(request), whole=True)

    def show(self, request: APIRequest) -> dict[str, Any]:
        """Return the record that the path names, with the fields that the query selects."""
        return render_record(request, self.view, self.find(request))

    def create(self, request: APIRequest) -> dict[str, Any]:
        """Create a record from the body, and return it with all fields."""
        values = self.fields.new_values(request.body)
        self.prepare(request, values)
        record = self.save_new(request, values)
        request.location = f"{self.view.path}/{record.uuid}"
        return self.view.whole(request.minor).record(request, record)

    def update(self, request: APIRequest) -> dict[str, Any]:
        """Apply the patch in the body to the record that the path names, and return the record with all fields.

        If the record changes between the read and the write, read it again, and check and apply the patch again.
        """
        record = retry_on_revision_conflict(lambda: self._update_once(request))
        return self.view.whole(request.minor).record(request, record)

    def _update_once(self, request: APIRequest) -> Any:
        """Apply the patch to the record as it is now, and return the new record. Raises ``RevisionConflict``."""
        record = self.find(request)
        self.authorize_update(request, record)
        changes = self.compute_changes(request, record)
        self.check_changes(request, record, changes)
        # A patch without effect is no write: the record keeps its revision.
        return self.save_changes(request, record, changes) if changes else record

    def delete(self, request: APIRequest) -> None:
        """Delete the record that the path names."""
        record = self.find(request)
        self.authorize(request, record)
        self.remove(request, record)

    def find(self, request: APIRequest) -> Any:
        """Return the record that the path names. Raises ``NotFound`` and ``InvalidInput``."""
        return find(request, self.view.record, self.argument)

    def where(self, request: APIRequest) -> Mapping[str, Any]:
        """Return the conditions of a listing: column of the record -> value. A value of None means no condition."""
        return {}

    def node_where(self, request: APIRequest) -> Mapping[str, Any]:
        """Return the conditions of a listing: column of the record's node -> value. A value of None means no condition."""
        return {}

    def list_page(self, request: APIRequest, where: Mapping[str, Any], *, whole: bool = False) -> dict[str, Any]:
        """Return a page of the records that meet the conditions *where* and those of :meth:`node_where`."""
        return list_records(request, self.view.record, self.view, where, whole=whole, **self.node_where(request))

    def prepare(self, request: APIRequest, values: dict[str, Any]) -> None:
        """Check and complete the *values* of a new record in place. Raises ``InvalidInput`` and ``Forbidden``."""

    def authorize(self, request: APIRequest, record: Any) -> None:
        """Raise ``Forbidden`` if the client may not change or delete *record*. By default the check of the route suffices."""

    def authorize_update(self, request: APIRequest, record: Any) -> None:
        """Raise ``Forbidden`` if the client may not patch *record*. By default :meth:`authorize` decides."""
        self.authorize(request, record)

    def compute_changes(self, request: APIRequest, record: Any) -> dict[str, Any]:
        """Return the changes that the patch in the body makes: field -> whole new value. Raises ``InvalidInput``."""
        return self.fields.compute_changes(record, request.body, request.minor)

    def check_changes(self, request: APIRequest, record: Any, changes: dict[str, Any]) -> None:
        """Check and complete *changes* in place. Raises ``InvalidInput``."""

    def save_new(self, request: APIRequest, values: Mapping[str, Any]) -> Any:
        """Create a record through a conductor and return it."""
        return request.rpc("create_record", kind=RECORD_KINDS[self.view.record].table, values=values)

    def save_changes(self, request: APIRequest, record: Any, changes: Mapping[str, Any]) -> Any:
        """Change *record* through a conductor and return the new one. Raises ``RevisionConflict`` if it has changed."""
        return save_changes(request, record, changes)

    def remove(self, request: APIRequest, record: Any) -> None:
        """Delete *record* through a conductor."""
        request.rpc("delete_record", kind=RECORD_KINDS[self.view.record].table, uuid=record.uuid)


class NodeResource(CRUDResource):
    """Base class of a resource whose records belong to nodes. The policy decides about a record by its node."""

    update_rules: ClassVar[OperationRules | None] = None
    """The rules that the API itself checks before a patch is applied. A conductor checks all rules."""

    def list_of_node(self, request: APIRequest) -> dict[str, Any]:
        """Return a page of the records of one node with the fields that the query selects."""
        return self.list_page(request, {"node_uuid": request.node().uuid})

    def list_whole_of_node(self, request: APIRequest) -> dict[str, Any]:
        """Return a page of the records of one node with all fields."""
        return self.list_page(request, {"node_uuid": request.node().uuid}, whole=True)

    def where(self, request: APIRequest) -> Mapping[str, Any]:
        """Return the condition for the node in the query parameter ``node``. Without it all records are listed."""
        return {"node_uuid": resolve_filter_node(request)}

    def prepare(self, request: APIRequest, values: dict[str, Any]) -> None:
        """Replace the node in *values* by its UUID. Raises ``Forbidden`` if the rule does not allow the request for the node."""
        values["node_uuid"] = resolve_body_node(request, values["node_uuid"])

    def authorize(self, request: APIRequest, record: Any) -> None:
        """Raise ``Forbidden`` if the rule of the route does not allow the request for the record's node."""
        request.node(record.node_uuid)

    def authorize_update(self, request: APIRequest, record: Any) -> None:
        """Check the policy as :meth:`authorize`, and raise ``InvalidState`` if the state of the node forbids any patch."""
        if self.update_rules is None:
            self.authorize(request, record)
            return
        node = request.node(record.node_uuid)
        self.update_rules.check_before_values(Change(node=node, record=record, minor=request.minor))


def find(request: APIRequest, kind: type[R], argument: str) -> R:
    """Return the record of class *kind* that the path segment *argument* names. Raises ``NotFound`` and ``InvalidInput``."""
    ident = check_ident(argument, request.arguments[argument])
    if RECORD_KINDS[kind].lookup_fields == ("uuid",) and canonical_uuid(ident) is None:
        raise InvalidInput(
            [Problem(argument, f"{ident[:64]!r} is not a UUID", f"a {RECORD_KINDS[kind].label} has no name; use its UUID")]
        )
    try:
        return request.backend.store.record(kind, ident, scope=request.scope)
    except NotFound:
        if not request.json_suffix:
            raise
        return request.backend.store.record(kind, ident + ".json", scope=request.scope)


def list_records(
    request: APIRequest, kind: type[Any], view: View, where: Mapping[str, Any], *, whole: bool = False, **node_where: Any
) -> dict[str, Any]:
    """Return a page of records as the response of a listing. None in *where* and *node_where* means no condition."""
    page = parse_page_request(request, view, whole=whole)
    query = Query(
        where=_drop_none(where),
        fields=page.selection.columns,
        limit=page.limit + 1,
        marker=page.marker,
        sort_key=page.sort_key,
        sort_dir=page.sort_dir,
        node_where=_drop_none(node_where),
    )
    return build_page(request, page, request.backend.store.records(kind, query, scope=request.scope))


def resolve_filter_node(request: APIRequest, name: str = "node") -> str | None:
    """Return the UUID of the node that the query parameter *name* names, or None without it."""
    return request.node(request.query[name]).uuid if name in request.query else None


def resolve_body_node(request: APIRequest, ident: str, field: str = "node_uuid") -> str:
    """Return the UUID of the node that *field* of the body names.

    Raises ``InvalidInput`` for an unknown node, because 404 would mean the path of the request. A client in a project
    gets ``Forbidden`` both for an unknown node and for another project's node, so that it cannot probe for nodes.
    """
    try:
        return request.node(ident).uuid
    except NotFound as exc:
        if request.scope.project is not None:
            rule = request.route.policy
            raise Forbidden(f"{rule} is not allowed: {field}: your project has no node {ident[:64]!r}", rule=rule) from exc
        raise to_invalid_input(exc, field) from exc


def resolve_linked_node(request: APIRequest, ident: str, field: str, owner: str | None) -> NodeRecord:
    """Return the node to which a record of *owner* is linked. The node must have the same owner.

    Raises ``InvalidInput`` for another owner's node, and in the same words for a node that the client may not see.
    """
    try:
        node = request.node(ident, rule=VIEW_NODE)
    except (NotFound, Forbidden):
        node = None
    if node is None or node.owner != owner:
        raise InvalidInput(
            [Problem(field, f"{ident[:64]!r} cannot be used here", "name a node that you may see and that has the same owner")]
        )
    return node


def enforce_owner(request: APIRequest, rule: str, what: str, record: Any) -> None:
    """Raise ``Forbidden`` unless *rule* allows the request for *record*. *what* is its kind in rules, such as ``runbook``."""
    request.policy.enforce(rule, request.context, {f"{what}.uuid": record.uuid, f"{what}.owner": record.owner})


def save_changes(request: APIRequest, record: Any, changes: Mapping[str, Any]) -> Any:
    """Change *record* through a conductor and return the new one. Raises ``RevisionConflict`` if it changed since the read."""
    kind = RECORD_KINDS[type(record)].table
    return request.rpc("update_record", kind=kind, uuid=record.uuid, changes=changes, revision=record.revision)


def check_name(name: str | None) -> None:
    """Raise ``InvalidInput`` for a name with the form of a UUID, because a path may contain a name or a UUID. None is valid."""
    if name is not None and canonical_uuid(name) is not None:
        raise InvalidInput([Problem("name", "is a UUID", "use a name in another form")])


def _drop_none(conditions: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in conditions.items() if value is not None}
