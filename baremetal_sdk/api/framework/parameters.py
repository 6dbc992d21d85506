"""Query parameters and body fields as declared, and the binding of what a request gave to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.framework.errors import NotAcceptable
from baremetal_sdk.api.framework.microversions import format_version
from baremetal_sdk.api.framework.types import InvalidValue, ValueType, nullable


@dataclass(frozen=True)
class Parameter:
    """A query parameter, or a field of a request's body. *since* is the minor number of its first microversion."""

    name: str
    type: ValueType
    help: str
    since: int = 1
    required: bool = False
    too_old_status: Literal[400, 406] = 406
    """How a request of an earlier microversion that gives it is answered, as clients know it."""

    @property
    def said(self) -> str:
        """What it means, and since when it is taken."""
        return f"{self.help} Since {format_version(self.since)}."

    def describe(self) -> dict[str, Any]:
        """This declaration as plain data."""
        return {
            "name": self.name,
            "schema": dict(self.type.schema),
            "help": self.help,
            "since": format_version(self.since),
            "too_old": self.too_old_status,
            "required": self.required,
        }


def optional(name: str, type: ValueType, help: str, since: int = 1, *, too_old_status: Literal[400, 406] = 406) -> Parameter:
    """A field that may be left out or null."""
    return Parameter(name, nullable(type), help, since, too_old_status=too_old_status)


@dataclass(frozen=True)
class Parameters:
    """What one route takes in its query string, or in its body; *what* is how messages call such a thing."""

    what: str
    declared: tuple[Parameter, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, Parameter]:
        """The declarations by name."""
        return {parameter.name: parameter for parameter in self.declared}

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of an object with these fields, each with what is said of it."""
        required = [one.name for one in self.declared if one.required]
        properties = {one.name: {**one.type.schema, "description": one.said} for one in self.declared}
        return {
            "type": "object",
            "properties": properties,
            "additionalProperties": False,
            **({"required": required} if required else {}),
        }

    def bind(self, given: Mapping[str, Any], minor: int) -> dict[str, Any]:
        """The values that handlers see, of what a request of microversion *minor* gave.

        Raises ``InvalidInput`` with every problem at once, and ``NotAcceptable`` for what came with a later version.
        """
        unknown = [name for name in given if name not in self.by_name]
        problems = [Problem(name[:64], f"there is no such {self.what}", self._known(minor)) for name in unknown]
        if not problems:
            check_versions((self.by_name[name] for name, value in given.items() if value is not None), minor)
        bound: dict[str, Any] = {}
        for name, value in given.items():
            if name in self.by_name:
                self._read(self.by_name[name], value, bound, problems)
        problems.extend(
            Problem(parameter.name, "it is missing", "it must be given")
            for parameter in self.declared
            if parameter.required and parameter.name not in given
        )
        if problems:
            raise InvalidInput(problems)
        return bound

    @staticmethod
    def _read(parameter: Parameter, value: Any, bound: dict[str, Any], problems: list[Problem]) -> None:
        try:
            bound[parameter.name] = parameter.type.parse(value)
        except InvalidValue as exc:
            problems.append(Problem(parameter.name, exc.wrong, exc.allowed))

    def _known(self, minor: int) -> str:
        names = sorted(parameter.name for parameter in self.declared if parameter.since <= minor)
        return "known are " + ", ".join(names) if names else "none is taken here"


def check_versions(used: Iterable[Parameter], minor: int) -> None:
    """Refuse what came with a later microversion than *minor*. Raises ``NotAcceptable`` and ``InvalidInput``."""
    later = [parameter for parameter in used if parameter.since > minor]
    if later:
        needed = max(later, key=lambda parameter: parameter.since)
        if needed.too_old_status == 400:
            raise unknown_before(needed.name, needed.since)
        raise not_acceptable_before(needed.name, needed.since)


def unknown_before(what: str, since: int) -> InvalidInput:
    """The refusal of *what*, which came with microversion *since*, where clients know it as a wrong request."""
    return InvalidInput([Problem(what, "it came later", f"it is taken since version {format_version(since)}")])


def not_acceptable_before(what: str, since: int) -> NotAcceptable:
    """The refusal of *what*, which came with microversion *since*."""
    return NotAcceptable(f"{what}: Request not acceptable. The minimal required API version should be {format_version(since)}")
