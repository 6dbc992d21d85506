"""What BIOS attributes may be: the service's registry of them, and settings checked and typed by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from baremetal_interfaces import BIOSSetting, InvalidInput, Problem
from baremetal_redfish.links import below, follow, listed, members, root, text_of
from baremetal_redfish.session import RedfishSession

_NAMED = 20
_FORM = 'a list of {"name": ..., "value": ...}'


class AttributeRules:
    """The entries of a registry by the names of their attributes; none where the service has no registry."""

    def __init__(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        self._entries = entries

    @classmethod
    def read(cls, session: RedfishSession, registry: Any) -> Self:
        """Read the *registry* of that name, in English where there are several languages."""
        if not isinstance(registry, str) or not registry:
            return cls({})
        for file in members(session, root(session).get("Registries")):
            if registry in (file.get("Id"), file.get("Registry")):
                document = follow(session, {"@odata.id": _location(file)})
                entries = listed(below(document, "RegistryEntries", "Attributes"))
                return cls({one["AttributeName"]: one for one in entries if isinstance(one.get("AttributeName"), str)})
        return cls({})

    def setting(self, name: str, value: Any) -> BIOSSetting:
        """The attribute *name* with its *value*, as the API shows it."""
        entry = self._entries.get(name, {})
        return BIOSSetting(
            name=name,
            value=None if value is None else str(value),
            attribute_type=text_of(entry.get("Type")),
            allowable_values=_values(entry),
            lower_bound=_bound(entry.get("LowerBound")),
            upper_bound=_bound(entry.get("UpperBound")),
            read_only=entry.get("ReadOnly"),
            reset_required=entry.get("ResetRequired"),
        )

    def objection(self, name: str, value: Any) -> str | None:
        """Why *value* cannot be, or None."""
        entry = self._entries.get(name, {})
        if entry.get("ReadOnly") is True:
            return "is read only"
        allowed = _values(entry)
        if allowed and value not in allowed:
            return f"cannot be {value!r}; it has to be one of " + ", ".join(allowed)
        low, high = _bound(entry.get("LowerBound")), _bound(entry.get("UpperBound"))
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        inside = (low is None or low <= value) and (high is None or value <= high)
        return None if inside else f"cannot be {value}; it has to be from {low} to {high}"


def _location(file: Mapping[str, Any]) -> Any:
    places = listed(file.get("Location"))
    english = [one for one in places if str(one.get("Language", "")).lower().startswith("en")]
    return next((one.get("Uri") for one in (*english, *places)), None)


def _values(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(one["ValueName"] for one in listed(entry.get("Value")) if isinstance(one.get("ValueName"), str))


def _bound(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def typed_settings(settings: Any, current: Mapping[str, Any], rules: AttributeRules) -> dict[str, Any]:
    """The wanted settings, each of the type that its attribute has now. Raises InvalidInput with all that is wrong."""
    if isinstance(settings, str | Mapping) or not isinstance(settings, Sequence) or not settings:
        raise InvalidInput([Problem("settings", f"{settings!r} is not valid", _FORM)])
    wanted: dict[str, Any] = {}
    problems: list[Problem] = []
    for index, one in enumerate(settings):
        where = f"settings/{index}"
        if not isinstance(one, Mapping) or not isinstance(one.get("name"), str) or one.get("value") is None:
            problems.append(Problem(where, f"{one!r} is not valid", _FORM))
            continue
        name = one["name"]
        if name not in current:
            there = ", ".join(sorted(current)[:_NAMED]) + (", ..." if len(current) > _NAMED else "")
            problems.append(Problem(f"{where}/{name}", "is not known", f"there are {there}"))
            continue
        value = _typed(one["value"], current[name])
        wrong = f"cannot be {one['value']!r}; it is of another type" if value is None else rules.objection(name, value)
        if wrong:
            problems.append(Problem(f"{where}/{name}", wrong))
        wanted[name] = value
    if problems:
        raise InvalidInput(problems)
    return wanted


def _typed(value: Any, current: Any) -> Any:
    """*value*, which clients may send as text, in the type of the *current* one; None where it cannot be."""
    if isinstance(current, bool):
        return {"true": True, "false": False}.get(str(value).lower())
    if isinstance(current, int):
        text = str(value).strip()
        return int(text) if text.removeprefix("-").isdecimal() else None
    if isinstance(current, str):
        return str(value)
    return value
