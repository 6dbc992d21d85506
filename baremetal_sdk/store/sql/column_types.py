"""Column types that behave the same in all supported databases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, LargeBinary, String, Text
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.types import TypeDecorator, TypeEngine

_MYSQL = ("mysql", "mariadb")


class _SQLiteTime(sqlite.DATETIME):
    """Column type of a time in SQLite, where it is text. It converts nothing, because :class:`UTCDateTime` does."""

    def bind_processor(self, dialect: Dialect) -> None:
        """Return None, which means no conversion: ``UTCDateTime.process_bind_param`` has made the text."""

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """Return None, which means no conversion: ``UTCDateTime.process_result_value`` parses the text."""


class UTCDateTime(TypeDecorator[datetime]):
    """Column type of a time with microseconds: in the database UTC without a time zone, in Python with time zone UTC."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the column type for *dialect*. MariaDB stores whole seconds unless the type has a precision."""
        if dialect.name in _MYSQL:
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        if dialect.name == "sqlite":
            return dialect.type_descriptor(_SQLiteTime())  # type: ignore[no-untyped-call]
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Return the stored form of a time that has a time zone; None for None."""
        if value is None:
            return None
        plain = value.astimezone(UTC).replace(tzinfo=None)
        return plain.isoformat(" ", "microseconds") if dialect.name == "sqlite" else plain

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return the time in UTC for its stored form; None for None."""
        if value is None:
            return None
        return (datetime.fromisoformat(value) if dialect.name == "sqlite" else value).replace(tzinfo=UTC)


def string(length: int) -> TypeEngine[str]:
    """Return a column type for strings of up to *length* characters, compared case-sensitively in all databases."""
    return (
        String(length)
        .with_variant(mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), *_MYSQL)
        .with_variant(postgresql.VARCHAR(length, collation="C"), "postgresql")
    )


def text() -> TypeEngine[str]:
    """Return a column type for long text: 16 MiB on MariaDB, whose TEXT would end at 64 KiB, else unlimited."""
    return Text().with_variant(mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"), *_MYSQL)


def blob() -> TypeEngine[bytes]:
    """Return a column type for bytes."""
    return LargeBinary()


def counter() -> TypeEngine[int]:
    """Return a column type for 64-bit integers, such as row ids. SQLite assigns ids only to columns of type INTEGER."""
    return BigInteger().with_variant(Integer(), "sqlite")
