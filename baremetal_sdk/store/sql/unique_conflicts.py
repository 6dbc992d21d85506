"""Which value is taken already, from what the database says about its unique constraints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Table
from sqlalchemy.exc import IntegrityError

from baremetal_sdk.store.refusals import UNIQUE_KEYS, UniqueKey, duplicate_error

# The name stands at a fixed place; the value, which a message may quote as well, does not mislead.
_SQLITE = re.compile(r"UNIQUE constraint failed: (?P<columns>\w+\.\w+(, \w+\.\w+)*)$")
_MARIADB = re.compile(r"for key '(?:[^']*\.)?(?P<constraint>\w+)'\W*$")
_POSTGRESQL = re.compile(r'unique constraint "(?P<constraint>\w+)"')


@contextmanager
def raise_duplicates(what: str, table: Table, values: Mapping[str, Any]) -> Iterator[None]:
    """Raise the error that names field and value, in place of that of a unique constraint of *table*."""
    try:
        yield
    except IntegrityError as exc:
        key = _key(exc, table.name, UNIQUE_KEYS[what])
        if key is None:
            raise
        raise duplicate_error(what, key, values) from None


def _key(error: IntegrityError, table: str, unique: tuple[UniqueKey, ...]) -> UniqueKey | None:
    text = str(error.orig)
    if found := _SQLITE.search(text):
        columns = tuple(column.partition(".")[2] for column in found["columns"].split(", "))
        return columns if columns in unique else None
    diagnosis = getattr(error.orig, "diag", None)
    constraint = getattr(diagnosis, "constraint_name", None) or _constraint(text)
    return next((key for key in unique if constraint == constraint_name(table, key)), None)


def _constraint(text: str) -> str | None:
    # PostgreSQL puts the value on a line of its own, below.
    found = _POSTGRESQL.search(text.partition("\n")[0]) or _MARIADB.search(text)
    return found["constraint"] if found else None


def constraint_name(table: str, key: UniqueKey) -> str:
    """The name of the unique constraint on these columns."""
    return f"{table}_{'_'.join(key)}_key"
