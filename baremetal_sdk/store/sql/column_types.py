"""The types of columns, each the same in every database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, LargeBinary, String, Text
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.types import TypeDecorator, TypeEngine

_MYSQL = ("mysql", "mariadb")


class _Text(sqlite.DATETIME):
    """A time as SQLite keeps it, which is a text; :class:`Moment` makes and reads that itself."""

    def bind_processor(self, dialect: Dialect) -> None:
        """It is made already."""

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """It is read later."""


class UTCDateTime(TypeDecorator[datetime]):
    """A point in time with microseconds: UTC without a zone in the database, with its zone in Python."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """MariaDB keeps whole seconds unless it is told otherwise."""
        if dialect.name in _MYSQL:
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        if dialect.name == "sqlite":
            return dialect.type_descriptor(_Text())  # type: ignore[no-untyped-call]
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """To UTC without a zone."""
        if value is None:
            return None
        plain = value.astimezone(UTC).replace(tzinfo=None)
        return plain.isoformat(" ", "microseconds") if dialect.name == "sqlite" else plain

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """With its zone."""
        if value is None:
            return None
        return (datetime.fromisoformat(value) if dialect.name == "sqlite" else value).replace(tzinfo=UTC)


def string(length: int) -> TypeEngine[str]:
    """A string that is compared character by character: letters in another case are another string, everywhere."""
    return (
        String(length)
        .with_variant(mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), *_MYSQL)
        .with_variant(postgresql.VARCHAR(length, collation="C"), "postgresql")
    )


def text() -> TypeEngine[str]:
    """A text of any length; MariaDB's TEXT ends at 64 KiB."""
    return Text().with_variant(mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"), *_MYSQL)


def blob() -> TypeEngine[bytes]:
    """Bytes."""
    return LargeBinary()


def counter() -> TypeEngine[int]:
    """A number that only grows; SQLite counts by itself in a column that is called INTEGER, and only there."""
    return BigInteger().with_variant(Integer(), "sqlite")
