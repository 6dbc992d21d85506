"""Discovery of installed driver plugins, with a log line for each that cannot be loaded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from baremetal_interfaces.plugins import HARDWARE_TYPES, LoadFailure, Plugins, find_plugins
from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)

__all__ = ["LoadFailure", "Plugins", "discover", "group_failures", "log_failures"]


def discover() -> Plugins:
    """Load all installed plugins from their entry points. Log those that cannot be loaded. No cache on disk is used."""
    plugins = find_plugins()
    log_failures(plugins.failures)
    return plugins


def log_failures(failures: Iterable[LoadFailure]) -> None:
    """Log each fault once, with all plugins that it affects and the distribution that registers them.

    A hardware type that cannot be used because of a fault that is already logged has no line of its own.
    """
    affected: dict[tuple[str, str], list[str]] = defaultdict(list)
    for failure in failures:
        fault = (failure.distribution, failure.reason)
        if failure.group == HARDWARE_TYPES:
            fault = next((known for known in affected if known[1] in failure.reason), fault)
        value = f" = {failure.value}" if failure.value else ""
        affected[fault].append(f"{failure.name}{value} of {failure.group}")
    for (distribution, reason), names in affected.items():
        LOG.error("plugin with a fault: %s (distribution %s): %s", ", ".join(names), distribution or "unknown", reason)


def group_failures(failures: Iterable[LoadFailure]) -> Mapping[str, str]:
    """Return the reasons of failures by plugin name. Several reasons for one name are joined."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for failure in failures:
        if failure.reason not in reasons[failure.name]:
            reasons[failure.name].append(failure.reason)
    return {name: "; ".join(texts) for name, texts in reasons.items()}
