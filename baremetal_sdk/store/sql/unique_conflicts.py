"""Translator of violations of unique constraints into errors that name the field and the value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Table
from sqlalchemy.exc import IntegrityError

from baremetal_sdk.store.refusals import UNIQUE_KEYS, UniqueKey, duplicate_error

# Each pattern anchors the name of the constraint, because the message can also quote a value that looks like a name.
_SQLITE = re.compile(r"UNIQUE constraint failed: (?P<columns>\w+\.\w+(, \w+\.\w+)*)$")
_MARIADB = re.compile(r"for key '(?:[^']*\.)?(?P<constraint>\w+)'\W*$")
_POSTGRESQL = re.compile(r'unique constraint "(?P<constraint>\w+)"')


@contextmanager
def raise_duplicates(label: str, table: Table, values: Mapping[str, Any]) -> Iterator[None]:
    """Context that translates a violation of a unique constraint of *table* into ``DuplicateName`` or a similar error.

    *label* is the label of the kind of record, and *values* are the record's new values.
    Other integrity errors pass.
    """
    try:
        yield
    except IntegrityError as exc:
        key = _find_key(exc, table.name, UNIQUE_KEYS[label])
        if key is None:
            raise
        raise duplicate_error(label, key, values) from None


def _find_key(error: IntegrityError, table: str, unique: tuple[UniqueKey, ...]) -> UniqueKey | None:
    text = str(error.orig)
    if found := _SQLITE.search(text):
        columns = tuple(column.partition(".")[2] for column in found["columns"].split(", "))
        return columns if columns in unique else None
    diagnosis = getattr(error.orig, "diag", None)
    constraint = getattr(diagnosis, "constraint_name", None) or _parse_constraint(text)
    return next((key for key in unique if constraint == constraint_name(table, key)), None)


def _parse_constraint(text: str) -> str | None:
    # PostgreSQL quotes the value in the second line, so only the first line is searched.
    found = _POSTGRESQL.search(text.partition("\n")[0]) or _MARIADB.search(text)
    return found["constraint"] if found else None


def constraint_name(table: str, key: UniqueKey) -> str:
    """Return the name of the unique constraint of *table* on the columns *key*."""
    return f"{table}_{'_'.join(key)}_key"
