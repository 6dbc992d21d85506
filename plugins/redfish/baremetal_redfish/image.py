"""The URL of an image that a BMC is to fetch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

from baremetal_interfaces import InvalidInput, Problem
from baremetal_interfaces.faults import scrub

_SCHEMES = ("http", "https", "nfs")
_ALLOWED = "the URL of an image that the BMC can reach: http://, https:// or nfs://"


@dataclass(frozen=True)
class ImageURL:
    """A URL and, apart from it, the account that it named. Its text is what may be shown: no account, no query."""

    url: str = field(repr=False)
    scheme: str
    shown: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, name: str, value: object) -> Self:
        """Take *value* apart; InvalidInput names the field *name* when it is no such URL."""
        if not isinstance(value, str) or not value.strip():
            raise InvalidInput([Problem(name, "is missing" if not value else "is not text", _ALLOWED)])
        text = value.strip()
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise InvalidInput([Problem(name, "is not a URL", _ALLOWED)]) from None
        if parts.scheme not in _SCHEMES:
            raise InvalidInput([Problem(name, f"has the scheme {parts.scheme!r}", _ALLOWED)])
        if not host or any(character.isspace() or not character.isprintable() for character in text):
            raise InvalidInput([Problem(name, "names no host, or holds characters that a URL cannot hold", _ALLOWED)])
        where = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
        bare = parts._replace(netloc=where)
        return cls(
            url=bare.geturl(),
            scheme=parts.scheme,
            shown=bare._replace(query="", fragment="").geturl(),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )

    def __str__(self) -> str:
        return self.shown

    def scrubbed(self, text: str) -> str:
        """What a BMC said about the image, without the account and the query that it may repeat."""
        query = urlsplit(self.url).query
        return scrub(text.replace(self.url, self.shown), [self.password or "", query])


def shown(url: object) -> str:
    """What may be shown of a URL that a BMC named."""
    text = str(url or "")
    try:
        return str(ImageURL.parse("image", text)) if text else ""
    except InvalidInput:
        return text.partition("?")[0].rpartition("@")[2]
