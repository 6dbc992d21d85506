"""Health of a machine with its parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from baremetal_interfaces import Health
from baremetal_redfish.links import get_nested
from baremetal_redfish.machine_resources import find_machine_resources
from baremetal_redfish.resource_reader import ResourceReader

_HEALTH = {"OK": Health.OK, "Warning": Health.WARNING, "Critical": Health.CRITICAL}
_SUMMARIES = ("ProcessorSummary", "MemorySummary")


def read_health(reader: ResourceReader, system: Mapping[str, Any]) -> Health | None:
    """Return the worst health that the BMC reports for the machine of *system* and its parts; None if it reports none.

    A system without a rollup of its own gets that of its summaries, of the machine's chassis and of its further systems.
    """
    parts: list[Mapping[str, Any]] = [system]
    if get_nested(system.get("Status"), "HealthRollup") not in _HEALTH:
        resources = find_machine_resources(reader, system)
        parts += [*(system.get(name) or {} for name in _SUMMARIES), *resources.chassis, *resources.systems]
    return _find_worst(parts)


def _find_worst(documents: Iterable[Mapping[str, Any]]) -> Health | None:
    found = {
        _HEALTH.get(str(get_nested(document, "Status", name))) for document in documents for name in ("HealthRollup", "Health")
    }
    return next((health for health in (Health.CRITICAL, Health.WARNING, Health.OK) if health in found), None)
