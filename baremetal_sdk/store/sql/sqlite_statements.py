"""Statements that are made once and run often: on SQLite its driver gets them, as the toolkit takes longer than the database.

What the toolkit makes of a statement (its text, and how values go in and come out) is kept. Where somebody listens to
the statements of an engine, or on a database server, the toolkit runs them as ever.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Connection, Delete, Dialect, Insert, Select, Update
from sqlalchemy.exc import DBAPIError

Statement = Select[Any] | Insert | Update | Delete
_MOST = 512
"""Statements that are kept."""


class CompiledStatements:
    """Runs the statements of one database, which are kept by what they are: one that is made anew each time is not for it."""

    def __init__(self) -> None:
        self._kept: dict[Statement, _Compiled] = {}

    def first(self, connection: Connection, statement: Statement, parameters: Mapping[str, Any]) -> Sequence[Any] | None:
        """The first row of what *statement* gives back."""
        if _is_direct(connection):
            return self._compiled(connection, statement).first(connection, parameters)
        return connection.execute(statement, parameters).first()

    def mapping(self, connection: Connection, statement: Statement, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        """The first row of what *statement* gives back, by the names of its columns."""
        if not _is_direct(connection):
            row = connection.execute(statement, parameters).first()
            return None if row is None else row._asdict()
        compiled = self._compiled(connection, statement)
        found = compiled.first(connection, parameters)
        return None if found is None else dict(zip(compiled.names, found, strict=True))

    def rows(self, connection: Connection, statement: Statement, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """All rows of what *statement* gives back."""
        if _is_direct(connection):
            return self._compiled(connection, statement).rows(connection, parameters)
        return connection.execute(statement, parameters).all()

    def run(self, connection: Connection, statement: Statement, parameters: Mapping[str, Any]) -> int:
        """Run a *statement* that gives nothing back; tell how many rows it was for."""
        if _is_direct(connection):
            return self._compiled(connection, statement).run(connection, parameters).rowcount
        return connection.execute(statement, parameters).rowcount

    def run_each(self, connection: Connection, statement: Statement, parameters: Sequence[Mapping[str, Any]]) -> None:
        """Run a *statement* that gives nothing back once for each of *parameters*."""
        if _is_direct(connection):
            compiled = self._compiled(connection, statement)
            for each in parameters:
                compiled.run(connection, each)
        elif parameters:
            connection.execute(statement, list(parameters))

    def _compiled(self, connection: Connection, statement: Statement) -> _Compiled:
        found = self._kept.get(statement)
        if found is None:
            if len(self._kept) >= _MOST:
                self._kept.clear()
            found = self._kept[statement] = _Compiled(statement, connection.dialect)
        return found


def execute_sqlite(connection: Connection, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
    """Say something to SQLite; an error is raised as the toolkit raises it, without *values*: they may be secrets."""
    driver = cast("sqlite3.Connection", connection.connection.dbapi_connection)
    try:
        return driver.execute(sql, values)
    except sqlite3.Error as exc:
        raise DBAPIError.instance(sql, None, exc, sqlite3.Error, hide_parameters=True, dialect=connection.dialect) from exc


def _is_direct(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite" and not connection.dispatch.before_cursor_execute


class _Compiled:
    """What the toolkit makes of one statement."""

    def __init__(self, statement: Statement, dialect: Dialect) -> None:
        made: Any = statement.compile(dialect=dialect)
        self._sql = str(made)
        binds = [made.binds[name] for name in made.positiontup or ()]
        self._given = tuple(
            (bind.key, None if bind.required else bind.effective_value, bind.type.dialect_impl(dialect).bind_processor(dialect))
            for bind in binds
        )
        shown = [] if isinstance(statement, Insert) else list(statement.exported_columns)
        found = (column.type.dialect_impl(dialect).result_processor(dialect, None) for column in shown)
        self.names = [str(column.key) for column in shown]
        self._conversions = tuple((index, convert) for index, convert in enumerate(found) if convert is not None)

    def run(self, connection: Connection, parameters: Mapping[str, Any]) -> sqlite3.Cursor:
        """Run it."""
        values = []
        for name, constant, convert in self._given:
            value = parameters.get(name, constant)
            values.append(value if convert is None else convert(value))
        return execute_sqlite(connection, self._sql, values)

    def first(self, connection: Connection, parameters: Mapping[str, Any]) -> Sequence[Any] | None:
        """The first row."""
        found = self.run(connection, parameters).fetchone()
        return None if found is None else self._converted(found)

    def rows(self, connection: Connection, parameters: Mapping[str, Any]) -> list[Sequence[Any]]:
        """All rows."""
        return [self._converted(row) for row in self.run(connection, parameters).fetchall()]

    def _converted(self, row: Sequence[Any]) -> Sequence[Any]:
        values = list(row)
        for index, convert in self._conversions:
            if values[index] is not None:
                values[index] = convert(values[index])
        return values
