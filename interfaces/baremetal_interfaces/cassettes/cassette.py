"""Cassettes: requests and responses in order, as data, and their files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from baremetal_interfaces.errors import InvalidInput, Problem

FORMAT = 1
"""Version of the file format."""


@dataclass(frozen=True)
class Exchange:
    """One request and its response.

    The request has a *method*, a *path* with the query, and a body (*sent*). The response has a *status*, *headers* and a
    *body*. Bodies are JSON values, or texts if they are not JSON; an empty body is None.
    """

    method: str
    path: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    sent: Any = None

    @property
    def changes(self) -> bool:
        """True if the request may change the BMC: its method is neither GET nor HEAD."""
        return self.method not in ("GET", "HEAD")


@dataclass(frozen=True)
class Cassette:
    """The recorded traffic of one machine.

    *hardware_type* is the name of its hardware type. *driver_info* is valid for the replay, except for the address.
    """

    hardware_type: str
    driver_info: Mapping[str, Any]
    exchanges: tuple[Exchange, ...]
    answers: Mapping[str, Any] = field(default_factory=dict)
    """The answers of the driver during the recording: read -> answer as text."""

    def save(self, path: Path) -> None:
        """Write the cassette to a new file at *path*. Raises ``FileExistsError`` if the file exists."""
        with path.open("x", encoding="utf-8") as file:
            json.dump({"format": FORMAT, **asdict(self)}, file, indent=1, ensure_ascii=False)
            file.write("\n")

    @classmethod
    def load(cls, path: Path) -> Cassette:
        """Read a file that :meth:`save` wrote. Raises ``InvalidInput`` for any other content."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if document.pop("format") != FORMAT:
                raise ValueError("the version in its field format is not known")
            exchanges = tuple(Exchange(**exchange) for exchange in document.pop("exchanges"))
            return cls(exchanges=exchanges, **document)
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise InvalidInput([Problem(str(path), f"is not a cassette ({exc})", f"a JSON file of format {FORMAT}")]) from None
