"""Declarations of query parameters and body fields, and the binding of a request's values to them."""

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
    """A query parameter, or a field of a request body. *since* is the minor number of its first microversion."""

    name: str
    type: ValueType
    help: str
    since: int = 1
    required: bool = False
    too_old_status: Literal[400, 406] = 406
    """The HTTP status for requests of earlier microversions that use it, as in Ironic."""

    @property
    def description(self) -> str:
        """The help text, followed by the first microversion."""
        return f"{self.help} Since {format_version(self.since)}."

    def describe(self) -> dict[str, Any]:
        """Return this declaration as plain data for the documentation."""
        return {
            "name": self.name,
            "schema": dict(self.type.schema),
            "help": self.help,
            "since": format_version(self.since),
            "too_old": self.too_old_status,
            "required": self.required,
        }


def optional(name: str, type: ValueType, help: str, since: int = 1, *, too_old_status: Literal[400, 406] = 406) -> Parameter:
    """Return the declaration of a parameter that may be left out or null."""
    return Parameter(name, nullable(type), help, since, too_old_status=too_old_status)


@dataclass(frozen=True)
class Parameters:
    """The query parameters or the body fields of one route.

    *label* is the noun for one of them in error messages, such as "query parameter".
    """

    label: str
    declared: tuple[Parameter, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, Parameter]:
        """The declarations by name."""
        return {parameter.name: parameter for parameter in self.declared}

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of an object with these fields."""
        required = [parameter.name for parameter in self.declared if parameter.required]
        properties = {
            parameter.name: {**parameter.type.schema, "description": parameter.description} for parameter in self.declared
        }
        return {
            "type": "object",
            "properties": properties,
            "additionalProperties": False,
            **({"required": required} if required else {}),
        }

    def bind(self, values: Mapping[str, Any], minor: int) -> dict[str, Any]:
        """Return the parsed *values* of a request of microversion *minor*. Parameters without a value are missing.

        Raises ``InvalidInput`` with all problems at once, and ``NotAcceptable`` for parameters of later microversions.
        """
        unknown = [name for name in values if name not in self.by_name]
        problems = [Problem(name[:64], f"is not a known {self.label}", self._list_known_names(minor)) for name in unknown]
        # The version is checked only if all names are known, because a misspelled name is the better error.
        if not problems:
            check_versions((self.by_name[name] for name, value in values.items() if value is not None), minor)
        bound: dict[str, Any] = {}
        for name, value in values.items():
            if name in self.by_name:
                self._parse(self.by_name[name], value, bound, problems)
        problems.extend(
            Problem(parameter.name, "is missing", "a value is required")
            for parameter in self.declared
            if parameter.required and parameter.name not in values
        )
        if problems:
            raise InvalidInput(problems)
        return bound

    @staticmethod
    def _parse(parameter: Parameter, value: Any, bound: dict[str, Any], problems: list[Problem]) -> None:
        try:
            bound[parameter.name] = parameter.type.parse(value)
        except InvalidValue as exc:
            problems.append(Problem(parameter.name, exc.wrong, exc.allowed))

    def _list_known_names(self, minor: int) -> str:
        names = sorted(parameter.name for parameter in self.declared if parameter.since <= minor)
        return "known names are " + ", ".join(names) if names else "leave it out"


def check_versions(used: Iterable[Parameter], minor: int) -> None:
    """Raise ``NotAcceptable`` (406) or ``InvalidInput`` (400), as declared, if a parameter is newer than microversion *minor*."""
    later = [parameter for parameter in used if parameter.since > minor]
    if later:
        needed = max(later, key=lambda parameter: parameter.since)
        if needed.too_old_status == 400:
            raise unknown_before(needed.name, needed.since)
        raise not_acceptable_before(needed.name, needed.since)


def unknown_before(what: str, since: int) -> InvalidInput:
    """Return the error of status 400 for a field or parameter *what* that exists only since microversion *since*."""
    return InvalidInput(
        [Problem(what, "the requested version of the API does not have it", f"use version {format_version(since)} or later")]
    )


def not_acceptable_before(what: str, since: int) -> NotAcceptable:
    """Return the error of status 406 for a use of *what* that needs microversion *since* or later. Clients match the text."""
    return NotAcceptable(f"{what}: Request not acceptable. The minimal required API version should be {format_version(since)}")
