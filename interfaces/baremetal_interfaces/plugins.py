"""Discovery of installed plugins by their entry points. The conductor, the doctor and the conformance kit share it.

A broken distribution becomes a :class:`LoadFailure` and does not affect the others.
"""

from __future__ import annotations

import difflib
import importlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, distributions
from typing import Any, NamedTuple

from baremetal_interfaces.hardware_type import HardwareType
from baremetal_interfaces.interface import Interface
from baremetal_interfaces.plugin_rules import find_fault
from baremetal_interfaces.values import Kind

HARDWARE_TYPES = "baremetal.hardware_types"
"""Entry point group of hardware types."""
INTERFACES = "baremetal.interfaces."
"""Prefix of the entry point groups of interfaces. The kind follows."""
GROUPS = (HARDWARE_TYPES, *(f"{INTERFACES}{kind}" for kind in Kind))
"""All entry point groups of plugins."""
METADATA_FILE = "entry_points.txt"
"""Group of a failure if the entry points of a whole distribution cannot be read."""

_RUNTIME = "baremetal-sdk"
"""Distribution whose plugins keep their names if another distribution claims one, because all hardware types need them."""
_MAX_REASON_LENGTH = 600


class LoadFailure(NamedTuple):
    """A fault of a plugin: entry point group, name, the reason, the distributions that register it, and ``module:Class``."""

    group: str
    name: str
    reason: str
    distribution: str = ""
    value: str = ""


@dataclass
class Plugins:
    """Result of the discovery: loaded plugin classes by name, the faults of plugins, and distributions by group and name."""

    hardware_types: dict[str, type[HardwareType]] = field(default_factory=dict)
    interfaces: dict[Kind, dict[str, type[Interface]]] = field(default_factory=lambda: {kind: {} for kind in Kind})
    failures: list[LoadFailure] = field(default_factory=list)
    owners: dict[tuple[str, str], str] = field(default_factory=dict)


class Registration(NamedTuple):
    """An entry point and the name of the distribution that registers it."""

    distribution: str
    point: EntryPoint


def find_plugins() -> Plugins:
    """Load and check all installed plugins. Plugins with a fault are left out, and ``failures`` has the reasons."""
    plugins = Plugins()
    for registration in _select_unique(_list_registrations(plugins.failures), plugins.failures):
        distribution, point = registration
        plugins.owners[point.group, point.name] = distribution
        loaded, reason = _load(point)
        if reason:
            plugins.failures.append(LoadFailure(point.group, point.name, reason, distribution, point.value))
        elif point.group == HARDWARE_TYPES:
            plugins.hardware_types[point.name] = loaded
        else:
            plugins.interfaces[Kind(point.group.removeprefix(INTERFACES))][point.name] = loaded
    plugins.failures.extend(_find_unlisted(plugins))
    plugins.failures.extend(_reject_missing_names(plugins))
    return plugins


def describe_missing_names(names: Collection[str], kind: Kind, plugins: Plugins) -> str:
    """Return why none of the *names* that a hardware type lists for *kind* is available, and the nearest registered name."""
    reasons = describe_failures(names, kind, plugins.failures)
    if reasons:
        return f"{kind}: " + "; ".join(reasons)
    if not names:
        return f"it lists no {kind} implementation; name at least one"
    registered = sorted(plugins.interfaces[kind])
    close = [match for name in names for match in difflib.get_close_matches(name, registered, 1)]
    hint = f"; did you mean {close[0]!r}?" if close else ""
    listed = ", ".join(names)
    return f"{kind} lists {listed}, not registered in {INTERFACES}{kind}{hint}; registered: {', '.join(registered) or 'none'}"


def describe_failures(names: Collection[str], kind: Kind, failures: Iterable[LoadFailure]) -> list[str]:
    """Return why interfaces of *kind* with these *names* were not loaded."""
    return [
        f"{failure.name!r} of {failure.group} was not loaded: {failure.reason}"
        for name in names
        for failure in failures
        if failure.name == name and (failure.group == f"{INTERFACES}{kind}" or is_near_group(failure.group, kind))
    ]


def is_near_group(group: str, kind: Kind) -> bool:
    """Return whether *group* is not a group of plugins, but looks like the one of *kind*."""
    return group not in GROUPS and suggest_group(group) == f"{INTERFACES}{kind}"


def suggest_group(group: str) -> str:
    """Return the entry point group that is nearest to the unknown *group*, or an empty text."""
    return next(iter(difflib.get_close_matches(group.lower(), GROUPS, 1, cutoff=0.8)), "")


def _list_registrations(failures: list[LoadFailure]) -> Iterator[Registration]:
    """Generate the registered plugins. Groups that look like ours, and metadata that cannot be read, become failures.

    Distributions are read one by one: ``entry_points()`` raises an error for all of them if one is malformed.
    """
    seen: set[str] = set()
    for distribution in distributions():
        key = _normalized_name(distribution)
        if key in seen:
            continue  # As for entry_points() and imports, the first of several versions on the path counts.
        seen.add(key)
        try:
            points = [point for point in distribution.entry_points if _is_ours(point.group)]
        except Exception as exc:
            if "baremetal" in _guarded_text(distribution):
                failures.append(LoadFailure(METADATA_FILE, _name(distribution), describe_error(exc), _name(distribution)))
            continue
        for point in points:
            if point.group in GROUPS:
                yield Registration(_name(distribution), point)
            else:
                reason = f"there is no entry point group {point.group!r}; did you mean {suggest_group(point.group)!r}?"
                failures.append(LoadFailure(point.group, point.name, reason, _name(distribution), point.value))


def _is_ours(group: str) -> bool:
    return group in GROUPS or bool(suggest_group(group))


def _guarded_text(distribution: Any) -> str:
    try:
        return distribution.read_text(METADATA_FILE) or ""
    except UnicodeDecodeError as exc:
        return exc.object.decode(errors="replace")
    except Exception:
        return ""


def _name(distribution: Any) -> str:
    try:
        name = distribution.metadata["Name"]
    except Exception:
        name = None
    return str(name or _file_name(distribution) or "?")


def _normalized_name(distribution: Any) -> str:
    """Return the key of a distribution. It comes from the file name, because the metadata of all would take long to read."""
    return re.sub(r"[-_.]+", "-", _file_name(distribution) or _name(distribution)).lower()


def _file_name(distribution: Any) -> str:
    path = getattr(distribution, "_path", None)
    stem: str = getattr(path, "stem", "")
    return stem.partition("-")[0] if getattr(path, "suffix", "") == ".egg-info" else stem.rpartition("-")[0]


def _select_unique(registered: Iterable[Registration], failures: list[LoadFailure]) -> Iterator[Registration]:
    """Generate the registrations with a unique name. Duplicate names become failures before any module is imported."""
    claims: dict[tuple[str, str], dict[tuple[str, str], Registration]] = defaultdict(dict)
    for registration in registered:
        point = registration.point
        # A distribution that is on the path twice reports its entry points twice.
        claims[point.group, point.name][registration.distribution, point.value] = registration
    for (group, name), claimed in claims.items():
        own = [registration for registration in claimed.values() if registration.distribution == _RUNTIME]
        others = sorted({distribution for distribution, _ in claimed if distribution != _RUNTIME})
        if len(claimed) == 1:
            yield next(iter(claimed.values()))
        elif own and others:
            yield own[0]
            reason = f"the name {name!r} is claimed by {_RUNTIME}, which keeps it; choose another name for the plugin"
            failures.append(LoadFailure(group, name, reason, " and ".join(others)))
        elif len(others) > 1:
            owners = " and ".join(others)
            failures.append(LoadFailure(group, name, f"{name!r} is claimed by {owners}; uninstall all but one", owners))
        else:
            values = " and ".join(sorted(value for _, value in claimed))
            reason = f"{name!r} is claimed by one distribution several times ({values}); remove all but one entry point"
            failures.append(LoadFailure(group, name, reason, next(iter(claimed.values())).distribution))


def _load(point: EntryPoint) -> tuple[Any, str]:
    """Return the class of an entry point, and the reason why it cannot be used or an empty text."""
    try:
        loaded = _resolve(point)
        kind = None if point.group == HARDWARE_TYPES else Kind(point.group.removeprefix(INTERFACES))
        return loaded, find_fault(loaded, kind)
    except KeyboardInterrupt:
        raise
    except _NoSuchObjectError as exc:
        return None, str(exc)
    except BaseException as exc:
        return None, describe_error(exc)


class _NoSuchObjectError(Exception):
    """The value of an entry point names nothing."""


def _resolve(point: EntryPoint) -> Any:
    module_name, _, attributes = point.value.partition("[")[0].strip().partition(":")
    if not all(part.strip().isidentifier() for part in module_name.split(".")):
        raise _NoSuchObjectError(f"the entry point {point.value!r} is malformed; write module:Class")
    try:
        found = importlib.import_module(module_name.strip())
    except ModuleNotFoundError as exc:
        if exc.name and (module_name.strip() + ".").startswith(exc.name + "."):
            raise _NoSuchObjectError(f"{describe_error(exc)}; correct the module in the entry point") from exc
        raise
    if not attributes.strip():
        raise _NoSuchObjectError(f"the entry point {point.value!r} names a module, not a class; write module:Class")
    for attribute in attributes.strip().split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError as exc:
            close = difflib.get_close_matches(attribute, dir(found), 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise _NoSuchObjectError(f"{describe_error(exc)}{hint}; correct the entry point {point.value!r}") from exc
    return found


def describe_error(exc: BaseException) -> str:
    """Return type and text of an error of a plugin in one short line."""
    try:
        text = " ".join(str(exc).split())
    except Exception:
        text = "(its text cannot be read)"
    return f"{type(exc).__name__}: {text}"[:_MAX_REASON_LENGTH]


def _find_unlisted(plugins: Plugins) -> list[LoadFailure]:
    """Return a failure for each interface that no hardware type lists. The interface stays available.

    If the distribution has another failure, that failure is the cause and the only one reported.
    """
    faulty = {failure.distribution for failure in plugins.failures}
    unlisted: list[LoadFailure] = []
    for kind, interfaces in plugins.interfaces.items():
        listed = {name for cls in plugins.hardware_types.values() for name in cls.supported(kind)}
        listed |= set(HardwareType.supported(kind))
        for name, cls in interfaces.items():
            owner = plugins.owners[f"{INTERFACES}{kind}", name]
            # A type whose names are all missing is reported with the nearest registered name instead.
            incomplete = any(
                plugins.owners[HARDWARE_TYPES, type_name] == owner and not set(found.supported(kind)) & set(interfaces)
                for type_name, found in plugins.hardware_types.items()
            )
            if owner in faulty | {_RUNTIME} or incomplete or name in listed or cls.attaches_to:
                continue
            close = difflib.get_close_matches(name, sorted(listed), 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            reason = f"no hardware type lists the {kind} interface {name!r}{hint}; list it, or set attaches_to"
            unlisted.append(LoadFailure(f"{INTERFACES}{kind}", name, reason, owner))
    return unlisted


def _reject_missing_names(plugins: Plugins) -> list[LoadFailure]:
    """Remove the hardware types for which no listed name of some kind is available, and return their failures.

    Inherited lists do not count: the runtime provides their names, and the conformance kit works without it.
    """
    rejected: list[LoadFailure] = []
    for name, cls in list(plugins.hardware_types.items()):
        missing = [
            describe_missing_names(cls.supported(kind), kind, plugins) for kind in Kind if _lacks(plugins, name, cls, kind)
        ]
        if missing:
            rejected.append(LoadFailure(HARDWARE_TYPES, name, "; ".join(missing), plugins.owners[HARDWARE_TYPES, name]))
            del plugins.hardware_types[name]
    return rejected


def _lacks(plugins: Plugins, name: str, cls: type[HardwareType], kind: Kind) -> bool:
    """Return whether neither a name that *cls* itself lists for *kind* nor an interface attached to it is available."""
    listed, available = cls.supported(kind), plugins.interfaces[kind]
    if listed and listed == HardwareType.supported(kind):
        return False
    return not set(listed) & set(available) and not any(name in interface.attaches_to for interface in available.values())
