"""Builder of SQL statements that read one page of a listing. Their cost grows with the page, not with all records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import Boolean, ColumnElement, Select, Table, and_, false, literal, or_, select, union_all
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from baremetal_sdk.store.records.fields import NODE_FIELDS, RecordFields
from baremetal_sdk.store.records.kinds import RecordKind, Visibility
from baremetal_sdk.store.records.query import NodeQuery, Query, Scope
from baremetal_sdk.store.refusals import limit_error
from baremetal_sdk.store.sql.schema import is_set

R = TypeVar("R")
Condition = ColumnElement[bool]


class PagePosition(NamedTuple):
    """Position of a record in the order of a listing: its sort value and its row id."""

    value: Any
    """Value of the sort column; None without a sort column or for NULL."""
    id: int


class Listing(Generic[R]):
    """Builder of the statements of one listing, with the filters, order and page size of *query*.

    *conditions* restrict the listing in addition to the query. *shares* are alternative sets of conditions that no record
    meets twice; a record is listed if it meets one of them. They replace an OR, for which the databases use no index.

    The order is by sort key, with NULL first, and then by creation. "desc" is exactly the reverse. A page is a UNION of
    parts of this order. The parts are records with the marker's value that were created after the marker, records with a
    greater value, and records with NULL. An index on (column, id) leads to the start of each part. It does not lead to the
    start of "greater, or equal and created later".
    """

    def __init__(
        self,
        table: Table,
        fields: RecordFields[R],
        query: Query,
        conditions: Sequence[Condition],
        shares: Sequence[Sequence[Condition]] = (),
    ) -> None:
        if query.limit is not None and query.limit < 1:
            raise limit_error(query.limit)
        self.names = fields.select_fields(query.fields)
        self._table = table
        self._limit = query.limit
        self._descending = query.sort_dir == "desc"
        field = None if query.sort_key is None else fields.get_sort_field(query.sort_key)
        self._sort_column = None if field is None else table.c[field.name]
        self._is_optional = field is not None and field.optional
        wanted = [equals_any(table.c[name], values) for name, values in fields.encode_filters(query.where).items()]
        if query.description_contains is not None:
            wanted.append(table.c.description.icontains(query.description_contains, autoescape=True))
        self._conditions = [*wanted, *conditions]
        self._shares = shares or ((),)

    def select_position(self, marker: str, visible: Sequence[Condition]) -> Select[Any]:
        """Return a SELECT of the position of the record with UUID *marker*, if it meets *visible*."""
        value = literal(None) if self._sort_column is None else self._sort_column
        return select(value, self._table.c.id).where(self._table.c.uuid == marker, *visible)

    def select_page(self, after: PagePosition | None) -> Select[Any]:
        """Return a SELECT of the page that begins after the position *after*, or of the first page for None."""
        parts = self._part_conditions(after)
        if len(parts) == len(self._shares) == 1:
            return self._select_part([self._table.c[name] for name in self.names], [*parts[0], *self._shares[0]])
        return self._union(parts)

    def _part_conditions(self, after: PagePosition | None) -> list[Sequence[Condition]]:
        """Return the conditions of each part of the order that can contribute to the page, in order."""
        if self._sort_column is None:
            return [[] if after is None else [self._created_after(after)]]
        # Records equal to the marker come first, and then the parts with other values.
        if after is not None:
            equal = self._sort_column.is_(None) if after.value is None else self._sort_column == self._literal(after.value)
            return [[equal, self._created_after(after)], *self._conditions_after(after.value)]
        # A first page without NULL values needs no UNION: the index on the sort column gives the whole order.
        if not self._is_optional:
            return [[]]
        parts: list[Sequence[Condition]] = [[self._sort_column.is_(None)], [self._sort_column.is_not(None)]]
        return parts[::-1] if self._descending else parts

    def _conditions_after(self, value: Any) -> list[Sequence[Condition]]:
        """Return the conditions of each part of the order that follows all records with *value* in the sort column."""
        column = self._sort_column
        assert column is not None
        # NULL comes first in ascending order, so it is last in descending order.
        if value is None:
            return [] if self._descending else [[column.is_not(None)]]
        if not self._descending:
            return [[column > self._literal(value)]]
        smaller: list[Sequence[Condition]] = [[column < self._literal(value)]]
        return [*smaller, [column.is_(None)]] if self._is_optional else smaller

    def _literal(self, value: Any) -> ColumnElement[Any]:
        assert self._sort_column is not None
        return literal(value, self._sort_column.type)

    def _created_after(self, after: PagePosition) -> Condition:
        column: ColumnElement[int] = self._table.c.id
        return column < after.id if self._descending else column > after.id

    def _select_part(self, columns: Sequence[ColumnElement[Any]], conditions: Sequence[Condition]) -> Select[Any]:
        ordered = select(*columns).where(*self._conditions, *conditions).order_by(*map(self._in_direction, self._order_columns))
        return ordered if self._limit is None else ordered.limit(self._limit)

    @property
    def _order_columns(self) -> list[ColumnElement[Any]]:
        return [self._table.c.id] if self._sort_column is None else [self._sort_column, self._table.c.id]

    def _in_direction(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        return column.desc() if self._descending else column.asc()

    def _union(self, parts: Sequence[Sequence[Condition]]) -> Select[Any]:
        """Return one UNION for all parts of the page.

        With a statement for each part, a record that changes between two of them would be listed twice or not at all.
        """
        table = self._table
        columns: list[ColumnElement[Any]] = [table.c[name] for name in self.names]
        keys = [column.label(f"sorted_{number}") for number, column in enumerate(self._order_columns)]
        # Each part has the limit of the page, so no part reads more than one page. The outer query merges the parts.
        rows = union_all(
            *(
                select(self._select_part([*columns, *keys, literal(number).label("part")], [*conditions, *share]).subquery())
                for number, conditions in enumerate(parts)
                for share in self._shares
            )
        ).subquery()
        order = [rows.c.part, *(self._in_direction(rows.c[key.name]) for key in keys)]
        ordered = select(*(rows.c[name] for name in self.names)).order_by(*order)
        return ordered if self._limit is None else ordered.limit(self._limit)


class _Unselective(FunctionElement[bool]):
    """SQL condition that most records meet. SQLite must not use an index for it."""

    type = Boolean()
    inherit_cache = True


@compiles(_Unselective)
def _compile_plain(element: _Unselective, compiler: Any, **options: Any) -> str:
    text: str = compiler.process(element.clauses, **options)
    return text


@compiles(_Unselective, "sqlite")
def _compile_for_sqlite(element: _Unselective, compiler: Any, **options: Any) -> str:
    # SQLite has no statistics of the values and assumes that each value is rare. The unary plus keeps it from using the index.
    return f"+({compiler.process(element.clauses, **options)})"


def equals_any(column: ColumnElement[Any], values: tuple[Any, ...]) -> Condition:
    """Return an SQL condition that *column* has one of *values*, of which None stands for NULL."""
    if values == (True,):
        return is_set(column)
    present = [value for value in values if value is not None]
    alternatives = [] if not present else [column == present[0] if len(present) == 1 else column.in_(present)]
    if len(present) < len(values):
        alternatives.append(column.is_(None))
    return or_(false(), *alternatives)


def node_query_conditions(nodes: Table, query: NodeQuery) -> list[Condition]:
    """Return SQL conditions for the filters of *query* other than *where*, such as ``associated`` and ``traits``."""
    conditions: list[Condition] = []
    for wanted, column in ((query.associated, nodes.c.instance_uuid), (query.sharded, nodes.c.shard)):
        if wanted is not None:
            conditions.append(is_set(column) if wanted else _Unselective(column.is_(None)))
    if not query.include_children:
        conditions.append(_Unselective(nodes.c.parent_node.is_(None)))
    # Traits are stored as a JSON array, so each one is in quotation marks.
    conditions += [nodes.c.traits.contains(f'"{trait}"', autoescape=True) for trait in query.traits]
    return conditions


def visible_nodes(nodes: Table, scope: Scope) -> list[Condition]:
    """Return SQL conditions that only nodes meet that a caller with *scope* may see."""
    return [] if scope.project is None else [or_(nodes.c.owner == scope.project, nodes.c.lessee == scope.project)]


def visible_node_shares(nodes: Table, scope: Scope) -> list[list[Condition]]:
    """Return SQL conditions for the nodes that a caller with *scope* may see, in disjoint alternatives (shares).

    Each alternative can use an index. Empty if the caller may see all nodes.
    """
    if scope.project is None:
        return []
    return [[nodes.c.owner == scope.project], [nodes.c.lessee == scope.project, nodes.c.owner.is_distinct_from(scope.project)]]


def visible_ports(ports: Table, nodes: Table, scope: Scope) -> list[Condition]:
    """Return SQL conditions that only records meet whose node a caller with *scope* may see, such as ports."""
    if scope.project is None:
        return []
    return [ports.c.node_uuid.in_(select(nodes.c.uuid).where(and_(*visible_nodes(nodes, scope))))]


def owning_node_conditions(table: Table, nodes: Table, query: Query) -> list[Condition]:
    """Return SQL conditions for the filters *node_where* of *query*, on the node of each record of *table*."""
    wanted = [equals_any(nodes.c[name], values) for name, values in NODE_FIELDS.encode_filters(query.node_where).items()]
    return [table.c.node_uuid.in_(select(nodes.c.uuid).where(and_(*wanted)))] if wanted else []


def visible_records(kind: RecordKind[Any], table: Table, nodes: Table, scope: Scope) -> list[Condition]:
    """Return SQL conditions that only records of *kind* meet that a caller with *scope* may see."""
    if scope.project is None or kind.visibility is Visibility.ALL:
        return []
    if kind.visibility is Visibility.NODE:
        return visible_ports(table, nodes, scope)
    own: Condition = table.c.owner == scope.project
    return [own if kind.visibility is Visibility.OWNER else or_(own, table.c.public)]
