"""A cassette: requests and what was answered to them, in order, as data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from baremetal_interfaces.errors import InvalidInput, Problem

FORMAT = 1
"""The version of the file's form."""


@dataclass(frozen=True)
class Exchange:
    """One request, *method* and *path* with query and what was *sent*, and the answer: *status*, *headers*, and *body*.

    What was sent, and the body, is a JSON value or a text; None where there was nothing.
    """

    method: str
    path: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    sent: Any = None

    @property
    def changes(self) -> bool:
        """Whether the request is one that may change something."""
        return self.method not in ("GET", "HEAD")


@dataclass(frozen=True)
class Cassette:
    """What one machine of a *hardware_type* said. *driver_info* reaches it when it is replayed, but for the address."""

    hardware_type: str
    driver_info: Mapping[str, Any]
    exchanges: tuple[Exchange, ...]
    answers: Mapping[str, Any] = field(default_factory=dict)
    """What the driver made of it when it was recorded: question -> answer as text."""

    def save(self, path: Path) -> None:
        """Write it to a new file; raises ``FileExistsError`` for one that is there."""
        with path.open("x", encoding="utf-8") as file:
            json.dump({"format": FORMAT, **asdict(self)}, file, indent=1, ensure_ascii=False)
            file.write("\n")

    @classmethod
    def load(cls, path: Path) -> Cassette:
        """Read what :meth:`save` wrote; raises ``InvalidInput`` for anything else."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found.pop("format") != FORMAT:
                raise ValueError("its format is not known")
            exchanges = tuple(Exchange(**one) for one in found.pop("exchanges"))
            return cls(exchanges=exchanges, **found)
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise InvalidInput([Problem(str(path), f"is no cassette ({exc})", f"a JSON file of format {FORMAT}")]) from None
