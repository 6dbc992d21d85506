"""Executor of SQL statements that bypasses SQLAlchemy on SQLite to save time.

For a statement on one row, SQLAlchemy takes longer than SQLite. So a statement that runs often is compiled once, and its
text goes directly to the ``sqlite3`` driver with converted parameters. SQLAlchemy runs the statements on other databases,
and on SQLite while a listener for ``before_cursor_execute`` is registered, because that listener must see each statement.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Connection, Delete, Dialect, Insert, Select, Update
from sqlalchemy.exc import DBAPIError

Statement = Select[Any] | Insert | Update | Delete
_MAX_CACHED_STATEMENTS = 512
"""Maximum number of compiled statements in the cache. A full cache is emptied."""


class CompiledStatements:
    """Executor of the statements of one database, with a cache of their compiled form.

    The key is the statement object itself. Pass only statements that are built once and reused. A statement that is built
    for each call would be compiled each time and would fill the cache.
    """

    def __init__(self) -> None:
        self._compiled: dict[Statement, _CompiledStatement] = {}

    def first(self, connection: Connection, statement: Statement, parameters: Mapping[str, Any]) -> Sequence[Any] | None:
        """Run *statement* and return the first row, or None."""
        if _can_bypass_sqlalchemy(connection):
            return self._compile(connection, statement).first(connection, parameters)
        return connection.execute(statement, parameters).first()

    def mapping(self, connection: Connection, statement: Statement, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        """Run *statement* and return the first row as a dict of column name to value, or None."""
        if not _can_bypass_sqlalchemy(connection):
            row = connection.execute(statement, parameters).first()
            return None if row is None else row._asdict()
        compiled = self._compile(connection, statement)
        values = compiled.first(connection, parameters)
        return None if values is None else dict(zip(compiled.column_names, values, strict=True))

    def rows(self, connection: Connection, statement: Statement, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Run *statement* and return all rows."""
        if _can_bypass_sqlalchemy(connection):
            return self._compile(connection, statement).rows(connection, parameters)
        return connection.execute(statement, parameters).all()

    def run(self, connection: Connection, statement: Statement, parameters: Mapping[str, Any]) -> int:
        """Run a *statement* that returns no rows, and return the number of affected rows."""
        if _can_bypass_sqlalchemy(connection):
            return self._compile(connection, statement).run(connection, parameters).rowcount
        return connection.execute(statement, parameters).rowcount

    def run_each(self, connection: Connection, statement: Statement, parameters: Sequence[Mapping[str, Any]]) -> None:
        """Run a *statement* that returns no rows once for each element of *parameters*."""
        if _can_bypass_sqlalchemy(connection):
            compiled = self._compile(connection, statement)
            for row_parameters in parameters:
                compiled.run(connection, row_parameters)
        elif parameters:
            connection.execute(statement, list(parameters))

    def _compile(self, connection: Connection, statement: Statement) -> _CompiledStatement:
        # Threads share the cache without a lock: at worst two of them compile the same statement and one result is dropped.
        compiled = self._compiled.get(statement)
        if compiled is None:
            if len(self._compiled) >= _MAX_CACHED_STATEMENTS:
                self._compiled.clear()
            compiled = self._compiled[statement] = _CompiledStatement(statement, connection.dialect)
        return compiled


def execute_sqlite(connection: Connection, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
    """Execute *sql* with the ``sqlite3`` driver of *connection*, and return the driver's cursor.

    An error is raised as SQLAlchemy would raise it, but without *values*, because these may be secrets.
    """
    driver = cast("sqlite3.Connection", connection.connection.dbapi_connection)
    try:
        return driver.execute(sql, values)
    except sqlite3.Error as exc:
        raise DBAPIError.instance(sql, None, exc, sqlite3.Error, hide_parameters=True, dialect=connection.dialect) from exc


def _can_bypass_sqlalchemy(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite" and not connection.dispatch.before_cursor_execute


class _CompiledStatement:
    """Compiled form of one statement: its SQL text, and the converters of its parameters and result columns."""

    def __init__(self, statement: Statement, dialect: Dialect) -> None:
        # ``positiontup`` and ``binds`` are not public API of SQLAlchemy; setup.py therefore allows SQLAlchemy 2.0 only.
        compiled: Any = statement.compile(dialect=dialect)
        self._sql = str(compiled)
        binds = [compiled.binds[name] for name in compiled.positiontup or ()]
        self._parameters = tuple(
            (bind.key, None if bind.required else bind.effective_value, bind.type.dialect_impl(dialect).bind_processor(dialect))
            for bind in binds
        )
        """For each parameter: its name, its value if the statement has a constant, and its converter or None."""
        columns = [] if isinstance(statement, Insert) else list(statement.exported_columns)
        converters = (column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns)
        self.column_names = [str(column.key) for column in columns]
        self._converters = tuple((index, convert) for index, convert in enumerate(converters) if convert is not None)
        """Index and converter of each result column that needs a conversion."""

    def run(self, connection: Connection, parameters: Mapping[str, Any]) -> sqlite3.Cursor:
        """Execute the statement and return the driver's cursor."""
        values = []
        for name, constant, convert in self._parameters:
            value = parameters.get(name, constant)
            values.append(value if convert is None else convert(value))
        return execute_sqlite(connection, self._sql, values)

    def first(self, connection: Connection, parameters: Mapping[str, Any]) -> Sequence[Any] | None:
        """Execute the statement and return the first row with converted values, or None."""
        row = self.run(connection, parameters).fetchone()
        return None if row is None else self._convert(row)

    def rows(self, connection: Connection, parameters: Mapping[str, Any]) -> list[Sequence[Any]]:
        """Execute the statement and return all rows with converted values."""
        return [self._convert(row) for row in self.run(connection, parameters).fetchall()]

    def _convert(self, row: Sequence[Any]) -> Sequence[Any]:
        values = list(row)
        for index, convert in self._converters:
            if values[index] is not None:
                values[index] = convert(values[index])
        return values
