"""URLs of images that a BMC fetches: parsing, and removal of accounts and queries from texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

from baremetal_interfaces import InvalidInput, Problem
from baremetal_interfaces.addresses import format_netloc, get_host_port, split_url
from baremetal_interfaces.faults import scrub

_SCHEMES = ("http", "https", "nfs")
_ALLOWED = "the URL of an image that the BMC can reach: http://, https:// or nfs://"


@dataclass(frozen=True)
class ImageURL:
    """URL of an image, and the account that it contained.

    The text of an instance is the URL without account and query, which are secret.
    """

    url: str = field(repr=False)
    scheme: str
    display_url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, name: str, value: object) -> Self:
        """Return the instance for the text *value*.

        Raises InvalidInput, which names the field *name*, unless it is a valid http, https or nfs URL.
        """
        if not isinstance(value, str) or not value.strip():
            raise InvalidInput([Problem(name, "is missing" if not value else "is not text", _ALLOWED)])
        text = value.strip()
        try:
            parts = split_url(text)
            host, port = get_host_port(parts)
        except ValueError:
            raise InvalidInput([Problem(name, "is not a URL", _ALLOWED)]) from None
        if parts.scheme not in _SCHEMES:
            raise InvalidInput([Problem(name, f"has the scheme {parts.scheme!r}", _ALLOWED)])
        if not host or any(character.isspace() or not character.isprintable() for character in text):
            wrong = "has no host, or contains characters that are not allowed in a URL"
            raise InvalidInput([Problem(name, wrong, _ALLOWED)])
        bare = parts._replace(netloc=format_netloc(host, port))
        return cls(
            url=bare.geturl(),
            scheme=parts.scheme,
            display_url=bare._replace(query="", fragment="").geturl(),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )

    def __str__(self) -> str:
        return self.display_url

    def scrub(self, text: str) -> str:
        """Return a BMC's message about the image without the account and the query, which the message may repeat."""
        query = urlsplit(self.url).query
        return scrub(text.replace(self.url, self.display_url), [self.password or "", query])


def redact_url(url: object) -> str:
    """Return the URL in a BMC's response without its account and query."""
    text = str(url or "")
    try:
        return str(ImageURL.parse("image", text)) if text else ""
    except InvalidInput:
        return text.partition("?")[0].rpartition("@")[2]
