"""Discovery and loading of installed driver plugins.

A broken plugin does not affect the others. If two distributions claim one name, neither of them is loaded.
"""

from __future__ import annotations

import importlib.metadata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stevedore.extension import ExtensionManager

from baremetal_interfaces import CONTRACT_VERSION, HardwareType, Interface, Kind, is_compatible
from baremetal_sdk.errors import PluginError
from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)

HARDWARE_TYPES = "baremetal.hardware_types"
"""Entry point group of hardware types."""
INTERFACES = "baremetal.interfaces."
"""Prefix of the entry point groups of interfaces. The kind follows."""


class LoadFailure(NamedTuple):
    """A plugin that could not be loaded: its entry point group, its name, and the reason."""

    group: str
    name: str
    reason: str


@dataclass
class Plugins:
    """Result of the discovery: loaded plugin classes by name, and the plugins that could not be loaded."""

    hardware_types: dict[str, type[HardwareType]] = field(default_factory=dict)
    interfaces: dict[Kind, dict[str, type[Interface]]] = field(default_factory=lambda: {kind: {} for kind in Kind})
    failures: list[LoadFailure] = field(default_factory=list)


def discover() -> Plugins:
    """Load all installed plugins from their entry points. Log those that cannot be loaded. No cache on disk is used."""
    plugins = Plugins()
    # Read once for all groups: each call of entry_points() reads the metadata of every installed distribution.
    installed = importlib.metadata.entry_points().select
    for name, cls in _load(installed, HARDWARE_TYPES, HardwareType, plugins.failures).items():
        plugins.hardware_types[name] = cls
    for kind in Kind:
        for name, cls in _load(installed, f"{INTERFACES}{kind}", Interface, plugins.failures).items():
            if getattr(cls, "kind", None) is kind:
                plugins.interfaces[kind][name] = cls
            else:
                plugins.failures.append(
                    LoadFailure(f"{INTERFACES}{kind}", name, f"{cls.__name__} is not an interface of this kind")
                )
    for failure in plugins.failures:
        LOG.error("cannot load plugin %s of %s: %s", failure.name, failure.group, failure.reason)
    return plugins


def _load(
    installed: Callable[..., importlib.metadata.EntryPoints], group: str, base: type, failures: list[LoadFailure]
) -> dict[str, Any]:
    entry_points, duplicates = _separate_duplicates(group, installed(group=group))
    failures.extend(duplicates)
    manager: Any = _PluginManager(
        group,
        entry_points,
        on_load_failure_callback=lambda _, entry_point, exc: failures.append(
            LoadFailure(group, entry_point.name, _describe_error(exc))
        ),
    )
    return {extension.name: extension.plugin for extension in manager if _is_valid(extension, base, group, failures)}


def _separate_duplicates(
    group: str, entry_points: Iterable[importlib.metadata.EntryPoint]
) -> tuple[list[importlib.metadata.EntryPoint], list[LoadFailure]]:
    """Return the entry points with a unique name, and a failure for each name that several distributions claim.

    Only metadata is read, and no module is imported.
    """
    claims: dict[str, dict[tuple[str, str], importlib.metadata.EntryPoint]] = defaultdict(dict)
    for entry_point in entry_points:
        distribution = entry_point.dist.name if entry_point.dist is not None else "?"
        claims[entry_point.name][(distribution, entry_point.value)] = entry_point
    unique = [next(iter(claimed.values())) for claimed in claims.values() if len(claimed) == 1]
    duplicates = [
        LoadFailure(
            group,
            name,
            "several distributions have a plugin of this name, uninstall all but one: "
            + ", ".join(f"{dist} ({value})" for dist, value in claimed),
        )
        for name, claimed in claims.items()
        if len(claimed) > 1
    ]
    return unique, duplicates


class _GuardedEntryPoint:
    """Entry point whose load raises ``PluginError`` for every error of the plugin, even SystemExit, except KeyboardInterrupt."""

    def __init__(self, entry_point: importlib.metadata.EntryPoint) -> None:
        self.name = entry_point.name
        self._entry_point = entry_point

    def load(self) -> Any:
        try:
            return self._entry_point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as exc:
            raise PluginError(f"{type(exc).__name__}: {exc}") from exc


class _PluginManager(ExtensionManager):  # type: ignore[type-arg]
    """stevedore manager that gets its entry points from the caller and so does not use stevedore's cache on disk."""

    def __init__(self, namespace: str, entry_points: Iterable[importlib.metadata.EntryPoint], **options: Any) -> None:
        self._guarded = [_GuardedEntryPoint(entry_point) for entry_point in entry_points]
        super().__init__(namespace, **options)

    def list_entry_points(self) -> list[Any]:
        return self._guarded


def _is_valid(extension: Any, base: type, group: str, failures: list[LoadFailure]) -> bool:
    plugin = extension.plugin
    if not (isinstance(plugin, type) and issubclass(plugin, base)):
        failures.append(LoadFailure(group, extension.name, f"{plugin!r} is not a subclass of {base.__name__}"))
        return False
    written_for = getattr(plugin, "contract_version", None)
    if written_for is not None and not is_compatible(written_for):
        failures.append(LoadFailure(group, extension.name, _describe_mismatch(written_for)))
        return False
    return True


def _describe_mismatch(written_for: tuple[int, int]) -> str:
    theirs, ours = (".".join(map(str, version)) for version in (written_for, CONTRACT_VERSION))
    remedy = "update the plugin" if written_for[0] < CONTRACT_VERSION[0] else "update baremetal-interfaces and the runtime"
    return f"it is written for contract {theirs}, and contract {ours} is installed; {remedy}"


def _describe_error(exc: BaseException) -> str:
    return str(exc) if isinstance(exc, PluginError) else f"{type(exc).__name__}: {exc}"


def group_failures(failures: Iterable[LoadFailure]) -> Mapping[str, str]:
    """Return the reasons of failures by plugin name. Several reasons for one name are joined."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for failure in failures:
        reasons[failure.name].append(failure.reason)
    return {name: "; ".join(texts) for name, texts in reasons.items()}
