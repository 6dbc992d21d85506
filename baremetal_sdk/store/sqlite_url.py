"""SQLAlchemy URLs of SQLite files: from a path to its URL, and back."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote

_FILE_SCHEME = "file:"


def build_sqlite_url(file: Path) -> str:
    """Return the SQLAlchemy URL of an SQLite *file*.

    SQLAlchemy unquotes nothing in the path and ends it at a question mark. A path with one is written as a URI, which SQLite
    takes apart itself.
    """
    text = str(file)
    if "?" not in text and not text.startswith(_FILE_SCHEME):
        return f"sqlite:///{text}"
    return f"sqlite:///{_FILE_SCHEME}{quote(text)}?uri=true"


def find_sqlite_file(database: str | None) -> Path:
    """Return the path of the file in *database*, the last part of an SQLAlchemy URL, which may be a URI of SQLite."""
    text = database or ""
    if not text.startswith(_FILE_SCHEME):
        return Path(text)
    path = text.removeprefix(_FILE_SCHEME)
    # file:///path and file://localhost/path have an authority in front of the path.
    if path.startswith("//"):
        path = "/" + path.removeprefix("//").partition("/")[2]
    return Path(unquote(path))
