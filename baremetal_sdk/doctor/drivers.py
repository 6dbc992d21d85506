"""Checks of plugins, and of the drivers and interfaces that nodes use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from baremetal_interfaces import Kind
from baremetal_sdk.conductor.conductor import Conductor
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.doctor.finding import Finding, fail, ok, warn
from baremetal_sdk.drivers.catalog import DriverCatalog
from baremetal_sdk.drivers.loader import LoadFailure, discover
from baremetal_sdk.drivers.shared_machines import FIELDS, group_by_machine
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import INTERFACE_FIELDS
from baremetal_sdk.store.records.query import NodeQuery

_MAX_HEARTBEAT_AGE = timedelta(seconds=60)
"""Age of a heartbeat up to which the offer of another conductor counts."""
_MAX_NAMED_NODES = 5
"""Number of nodes that a finding names."""
_FIELDS = ("uuid", "name", "driver", *INTERFACE_FIELDS.values())

Offer = Mapping[str, Mapping[str, Collection[str]]]
"""Names of the enabled implementations by hardware type and kind."""


def load_drivers(config: ConductorConfig, conductor: Conductor | None) -> DriverCatalog:
    """Return the drivers of *conductor*, or without one the drivers that a new conductor with *config* would have.

    Raises ``ConfigurationError`` if *config* enables a driver or interface that is not available.
    """
    return conductor.drivers if conductor is not None else DriverCatalog(discover(), config)


def examine_plugins(config: ConductorConfig, drivers: DriverCatalog | ConfigurationError) -> Iterator[Finding]:
    """Generate findings about the plugins: each one that failed to load, and whether any hardware type is available."""
    if isinstance(drivers, ConfigurationError):
        yield fail("plugins", str(drivers), "install the missing plugin, or change the option")
        return
    for failure in drivers.failures:
        distribution = f" of distribution {failure.distribution}" if failure.distribution else ""
        description = f"cannot load {failure.name} ({failure.group}){distribution}: {failure.reason}"
        if _is_enabled(failure, config):
            yield fail(
                "plugins",
                description,
                "repair or update the distribution of the plugin, or remove its name from the configuration",
            )
        else:
            yield warn("plugins", description, "repair, update or uninstall the distribution of the plugin")
    for hardware_type, kind, name in drivers.list_unanswered():
        yield warn(
            "plugins",
            f"hardware type '{hardware_type}' lists the {kind} interface '{name}', which no installed plugin provides",
            f"install the plugin with '{name}', or update the plugin with '{hardware_type}'",
        )
    if not drivers.list_hardware_types():
        yield fail("plugins", "no hardware type is available", "install a plugin, such as baremetal-redfish")
    elif not drivers.failures and not drivers.list_unanswered():
        yield ok("plugins", f"all plugins were loaded; hardware types: {', '.join(drivers.list_hardware_types())}")


def examine_nodes(drivers: DriverCatalog, store: Store, now: datetime) -> Iterator[Finding]:
    """Generate a finding for each driver or interface that nodes use but no live conductor offers, or an OK for all nodes."""
    offers = [_list_own_offer(drivers), *_list_peer_offers(store, now)]
    missing: dict[str, list[str]] = defaultdict(list)
    count = 0
    for row in store.nodes(NodeQuery(fields=_FIELDS)):
        count += 1
        for item in _find_missing(row, offers):
            missing[item].append(row.name or row.uuid)
    for item, names in sorted(missing.items()):
        yield fail(
            "interfaces",
            f"{item} is not offered by any conductor, but {len(names)} nodes use it: {_list_names(names)}",
            "install and enable it (enabled_hardware_types, enabled_<kind>_interfaces), or change these nodes",
        )
    if not missing:
        yield ok("interfaces", f"the drivers and interfaces of all {count} nodes are offered")


def examine_machines(drivers: DriverCatalog, store: Store) -> Iterator[Finding]:
    """Generate a warning for each machine that several nodes manage, or an OK."""
    groups = group_by_machine(drivers, store.nodes(NodeQuery(fields=FIELDS)))
    for address, nodes in groups:
        names = [node["name"] or node["uuid"] for node in nodes]
        yield warn(
            "machines",
            f"{len(names)} nodes manage the same machine, {address}: {_list_names(names)}",
            "correct the address or the system in driver_info, or delete all but one of these nodes",
        )
    if not groups:
        yield ok("machines", "no two nodes manage the same machine")


def _is_enabled(failure: LoadFailure, config: ConductorConfig) -> bool:
    """Return whether the configuration enables the plugin by name."""
    kind = failure.group.rpartition(".")[2]
    return failure.name in config.enabled_hardware_types or failure.name in config.enabled_interfaces.get(kind, ())


def _list_own_offer(drivers: DriverCatalog) -> Offer:
    return {name: {str(kind): drivers.list_interfaces(name, kind) for kind in Kind} for name in drivers.list_hardware_types()}


def _list_peer_offers(store: Store, now: datetime) -> Iterator[Offer]:
    for record in store.conductors():
        if record.heartbeat_at is not None and now - record.heartbeat_at < _MAX_HEARTBEAT_AGE:
            yield {
                driver: {kind: offer.get("enabled", ()) for kind, offer in kinds.items()}
                for driver, kinds in record.drivers.items()
            }


def _find_missing(row: Mapping[str, str | None], offers: Collection[Offer]) -> Iterator[str]:
    driver = row["driver"] or ""
    kinds_of_driver = [offer[driver] for offer in offers if driver in offer]
    if not kinds_of_driver:
        yield f"hardware type '{driver}'"
        return
    for kind, field in INTERFACE_FIELDS.items():
        name = row[field]
        if name is not None and not any(name in kinds.get(str(kind), ()) for kinds in kinds_of_driver):
            yield f"{kind} interface '{name}' for hardware type '{driver}'"


def _list_names(names: Sequence[str]) -> str:
    """Return the first names, and the number of the others."""
    more = f" and {len(names) - _MAX_NAMED_NODES} more" if len(names) > _MAX_NAMED_NODES else ""
    return f"{', '.join(names[:_MAX_NAMED_NODES])}{more}"
