"""Check of new BIOS settings against the current ones and the service's attribute registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from baremetal_interfaces import BIOSSetting, InvalidInput, Problem
from baremetal_redfish.links import follow, get_nested, get_objects, get_text, iterate_members, read_root
from baremetal_redfish.session import RedfishSession

_MAX_LISTED_ATTRIBUTES = 20
_SETTINGS_FORM = 'a list of {"name": ..., "value": ...}'


class AttributeRules:
    """Rules for the values of BIOS attributes, from the service's attribute registry.

    *entries* maps attribute names to registry entries. An attribute without an entry has no rules.
    """

    def __init__(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        self._entries = entries

    @classmethod
    def read(cls, session: RedfishSession, registry: Any) -> Self:
        """Read the attribute registry with the name *registry*, in English if it has several languages.

        The result is empty if the name is missing or the service does not have that registry.
        """
        if not isinstance(registry, str) or not registry:
            return cls({})
        for file in iterate_members(session, read_root(session).get("Registries")):
            if registry in (file.get("Id"), file.get("Registry")):
                document = follow(session, {"@odata.id": _find_location(file)}, large=True)
                entries = get_objects(get_nested(document, "RegistryEntries", "Attributes"))
                named = {entry["AttributeName"]: entry for entry in entries if isinstance(entry.get("AttributeName"), str)}
                return cls(named)
        return cls({})

    def setting(self, name: str, value: Any) -> BIOSSetting:
        """Return the attribute *name* with its *value* as a setting of the contract, with type and limits from the registry."""
        entry = self._entries.get(name, {})
        return BIOSSetting(
            name=name,
            value=None if value is None else str(value),
            attribute_type=get_text(entry.get("Type")),
            allowable_values=_get_values(entry),
            lower_bound=_get_bound(entry.get("LowerBound")),
            upper_bound=_get_bound(entry.get("UpperBound")),
            read_only=entry.get("ReadOnly"),
            reset_required=entry.get("ResetRequired"),
        )

    def explain_rejection(self, name: str, value: Any) -> str | None:
        """Return the reason why *value* is not allowed, or None."""
        entry = self._entries.get(name, {})
        if entry.get("ReadOnly") is True:
            return "is read only"
        allowed = _get_values(entry)
        if allowed and value not in allowed:
            return f"cannot be {value!r}; it has to be one of " + ", ".join(allowed)
        low, high = _get_bound(entry.get("LowerBound")), _get_bound(entry.get("UpperBound"))
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        inside = (low is None or low <= value) and (high is None or value <= high)
        return None if inside else f"cannot be {value}; it has to be from {low} to {high}"


def _find_location(file: Mapping[str, Any]) -> Any:
    locations = get_objects(file.get("Location"))
    english = [location for location in locations if str(location.get("Language", "")).lower().startswith("en")]
    return next((location.get("Uri") for location in (*english, *locations)), None)


def _get_values(entry: Mapping[str, Any]) -> tuple[str, ...]:
    values = get_objects(entry.get("Value"))
    return tuple(value["ValueName"] for value in values if isinstance(value.get("ValueName"), str))


def _get_bound(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def parse_settings(settings: Any, current: Mapping[str, Any], rules: AttributeRules) -> dict[str, Any]:
    """Return the requested settings: name -> value, converted to the type of the *current* value.

    Raises InvalidInput with all problems: a wrong form, an unknown name, a wrong type, or a value that *rules* do not allow.
    """
    if isinstance(settings, str | Mapping) or not isinstance(settings, Sequence) or not settings:
        raise InvalidInput([Problem("settings", f"{settings!r} is not valid", _SETTINGS_FORM)])
    wanted: dict[str, Any] = {}
    problems: list[Problem] = []
    for index, setting in enumerate(settings):
        where = f"settings/{index}"
        if not isinstance(setting, Mapping) or not isinstance(setting.get("name"), str) or setting.get("value") is None:
            problems.append(Problem(where, f"{setting!r} is not valid", _SETTINGS_FORM))
            continue
        name = setting["name"]
        if name not in current:
            more = ", ..." if len(current) > _MAX_LISTED_ATTRIBUTES else ""
            known = ", ".join(sorted(current)[:_MAX_LISTED_ATTRIBUTES]) + more
            problems.append(Problem(f"{where}/{name}", "is not known", f"the attributes are {known}"))
            continue
        value = _convert_value(setting["value"], current[name])
        if value is None:
            wrong: str | None = f"cannot be {setting['value']!r}, which is of another type than the current value"
        else:
            wrong = rules.explain_rejection(name, value)
        if wrong:
            problems.append(Problem(f"{where}/{name}", wrong))
        wanted[name] = value
    if problems:
        raise InvalidInput(problems)
    return wanted


def _convert_value(value: Any, current: Any) -> Any:
    """Return *value* in the type of *current*, or None if it cannot be converted. Clients may send every value as text."""
    if isinstance(current, bool):
        return {"true": True, "false": False}.get(str(value).lower())
    if isinstance(current, int):
        text = str(value).strip()
        return int(text) if text.removeprefix("-").isdecimal() else None
    if isinstance(current, str):
        return str(value)
    return value
