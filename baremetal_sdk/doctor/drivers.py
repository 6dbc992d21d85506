"""Plugins, and whether nodes use what is enabled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta

from baremetal_interfaces import Kind
from baremetal_sdk.conductor.conductor import Conductor
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.doctor.finding import Finding, fail, ok, warn
from baremetal_sdk.drivers.catalog import DriverCatalog
from baremetal_sdk.drivers.loader import LoadFailure, discover
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import INTERFACE_FIELDS
from baremetal_sdk.store.records.query import NodeQuery

_ALIVE = timedelta(seconds=60)
_NAMED = 5
_FIELDS = ("uuid", "name", "driver", *INTERFACE_FIELDS.values())

Offer = Mapping[str, Mapping[str, Collection[str]]]
"""Hardware type -> kind -> names of the implementations that are enabled."""


def load_drivers(config: ConductorConfig, conductor: Conductor | None) -> DriverCatalog:
    """What the conductor offers, or would offer. Raises ``ConfigurationError``."""
    return conductor.drivers if conductor is not None else DriverCatalog(discover(), config)


def examine_plugins(config: ConductorConfig, drivers: DriverCatalog | ConfigurationError) -> Iterator[Finding]:
    """What could not be loaded, and why."""
    if isinstance(drivers, ConfigurationError):
        yield fail("plugins", str(drivers), "install what is missing, or change the option")
        return
    for failure in drivers.failures:
        what = f"{failure.name} ({failure.group}) does not load: {failure.reason}"
        if _is_enabled(failure, config):
            yield fail("plugins", what, "repair or update the plugin's distribution, or take its name out of the configuration")
        else:
            yield warn("plugins", what, "repair, update or uninstall the plugin's distribution")
    if not drivers.list_hardware_types():
        yield fail("plugins", "no hardware type can be used", "install a plugin, such as baremetal-redfish")
    elif not drivers.failures:
        yield ok("plugins", f"all load; hardware types: {', '.join(drivers.list_hardware_types())}")


def examine_nodes(drivers: DriverCatalog, store: Store, now: datetime) -> Iterator[Finding]:
    """Whether each node's driver and interfaces are offered, here or by another conductor that lives."""
    offers = [_offer(drivers), *_offers_of_others(store, now)]
    missing: dict[str, list[str]] = defaultdict(list)
    count = 0
    for row in store.nodes(NodeQuery(fields=_FIELDS)):
        count += 1
        for lacking in _lacking(row, offers):
            missing[lacking].append(row.name or row.uuid)
    for lacking, names in sorted(missing.items()):
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield fail(
            "interfaces",
            f"{lacking} is not offered by any conductor, and {len(names)} nodes use it: {', '.join(names[:_NAMED])}{more}",
            "install and enable it (enabled_hardware_types, enabled_<kind>_interfaces), or change these nodes",
        )
    if not missing:
        yield ok("interfaces", f"the drivers and interfaces of all {count} nodes are offered")


def _is_enabled(failure: LoadFailure, config: ConductorConfig) -> bool:
    """Whether the configuration asks for it by name."""
    kind = failure.group.rpartition(".")[2]
    return failure.name in config.enabled_hardware_types or failure.name in config.enabled_interfaces.get(kind, ())


def _offer(drivers: DriverCatalog) -> Offer:
    return {name: {str(kind): drivers.list_interfaces(name, kind) for kind in Kind} for name in drivers.list_hardware_types()}


def _offers_of_others(store: Store, now: datetime) -> Iterator[Offer]:
    for record in store.conductors():
        if record.heartbeat_at is not None and now - record.heartbeat_at < _ALIVE:
            yield {
                driver: {kind: what.get("enabled", ()) for kind, what in kinds.items()}
                for driver, kinds in record.drivers.items()
            }


def _lacking(row: Mapping[str, str | None], offers: Collection[Offer]) -> Iterator[str]:
    driver = row["driver"] or ""
    having = [offer[driver] for offer in offers if driver in offer]
    if not having:
        yield f"hardware type '{driver}'"
        return
    for kind, field in INTERFACE_FIELDS.items():
        name = row[field]
        if name is not None and not any(name in offer.get(str(kind), ()) for offer in having):
            yield f"{kind} interface '{name}' for hardware type '{driver}'"
