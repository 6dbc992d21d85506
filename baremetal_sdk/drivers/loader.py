"""Finding and loading plugins: one that is broken does not take the others down, and two of one name are both refused."""

from __future__ import annotations

import importlib.metadata
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stevedore.extension import ExtensionManager

from baremetal_interfaces import CONTRACT_VERSION, HardwareType, Interface, Kind, is_compatible
from baremetal_sdk.errors import PluginError

LOG = logging.getLogger(__name__)

HARDWARE_TYPES = "baremetal.hardware_types"
INTERFACES = "baremetal.interfaces."


class LoadFailure(NamedTuple):
    """A plugin that is not there: its entry point group and name, and why."""

    group: str
    name: str
    reason: str


@dataclass
class Plugins:
    """What is installed: classes by name, and what could not be loaded."""

    hardware_types: dict[str, type[HardwareType]] = field(default_factory=dict)
    interfaces: dict[Kind, dict[str, type[Interface]]] = field(default_factory=lambda: {kind: {} for kind in Kind})
    failures: list[LoadFailure] = field(default_factory=list)


def discover() -> Plugins:
    """Load every installed plugin. Nothing is cached on disk: what is installed now is what counts."""
    found = Plugins()
    # All groups at once: each look reads what every installed distribution says of itself.
    installed = importlib.metadata.entry_points().select
    for name, cls in _load(installed, HARDWARE_TYPES, HardwareType, found.failures).items():
        found.hardware_types[name] = cls
    for kind in Kind:
        for name, cls in _load(installed, f"{INTERFACES}{kind}", Interface, found.failures).items():
            if getattr(cls, "kind", None) is kind:
                found.interfaces[kind][name] = cls
            else:
                found.failures.append(LoadFailure(f"{INTERFACES}{kind}", name, f"{cls.__name__} is not of this kind"))
    for failure in found.failures:
        LOG.error("plugin %s of %s is not loaded: %s", failure.name, failure.group, failure.reason)
    return found


def _load(
    installed: Callable[..., importlib.metadata.EntryPoints], group: str, base: type, failures: list[LoadFailure]
) -> dict[str, Any]:
    entry_points, refused = _without_doubles(group, installed(group=group))
    failures.extend(refused)
    manager: Any = _Manager(
        group,
        entry_points,
        on_load_failure_callback=lambda _, entry_point, exc: failures.append(LoadFailure(group, entry_point.name, _reason(exc))),
    )
    return {extension.name: extension.plugin for extension in manager if _is_sound(extension, base, group, failures)}


def _without_doubles(
    group: str, entry_points: Iterable[importlib.metadata.EntryPoint]
) -> tuple[list[importlib.metadata.EntryPoint], list[LoadFailure]]:
    """Set aside the names that more than one distribution claims, from the metadata alone."""
    claims: dict[str, dict[tuple[str, str], importlib.metadata.EntryPoint]] = defaultdict(dict)
    for entry_point in entry_points:
        distribution = entry_point.dist.name if entry_point.dist is not None else "?"
        claims[entry_point.name][(distribution, entry_point.value)] = entry_point
    single = [next(iter(claimed.values())) for claimed in claims.values() if len(claimed) == 1]
    refused = [
        LoadFailure(
            group, name, "claimed by more than one distribution: " + ", ".join(f"{dist} ({value})" for dist, value in claimed)
        )
        for name, claimed in claims.items()
        if len(claimed) > 1
    ]
    return single, refused


class _Guarded:
    """An entry point whose loading raises nothing but ``PluginError``: a module may even exit when it is imported."""

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


class _Manager(ExtensionManager):  # type: ignore[type-arg]
    """stevedore's manager on entry points that were looked at beforehand, past its cache on disk."""

    def __init__(self, namespace: str, entry_points: Iterable[importlib.metadata.EntryPoint], **options: Any) -> None:
        self._guarded = [_Guarded(entry_point) for entry_point in entry_points]
        super().__init__(namespace, **options)

    def list_entry_points(self) -> list[Any]:
        return self._guarded


def _is_sound(extension: Any, base: type, group: str, failures: list[LoadFailure]) -> bool:
    plugin = extension.plugin
    if not (isinstance(plugin, type) and issubclass(plugin, base)):
        failures.append(LoadFailure(group, extension.name, f"{plugin!r} is not a subclass of {base.__name__}"))
        return False
    written_for = getattr(plugin, "contract_version", None)
    if written_for is not None and not is_compatible(written_for):
        failures.append(LoadFailure(group, extension.name, _mismatch(written_for)))
        return False
    return True


def _mismatch(written_for: tuple[int, int]) -> str:
    theirs, ours = (".".join(map(str, version)) for version in (written_for, CONTRACT_VERSION))
    remedy = "update the plugin" if written_for[0] < CONTRACT_VERSION[0] else "update baremetal-interfaces and the runtime"
    return f"it is written for contract {theirs}, and contract {ours} is installed: {remedy}"


def _reason(exc: BaseException) -> str:
    return str(exc) if isinstance(exc, PluginError) else f"{type(exc).__name__}: {exc}"


def group_failures(failures: Iterable[LoadFailure]) -> Mapping[str, str]:
    """Plugin name -> reasons, for messages about one name."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for failure in failures:
        reasons[failure.name].append(failure.reason)
    return {name: "; ".join(found) for name, found in reasons.items()}
