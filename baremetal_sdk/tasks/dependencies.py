"""The parts of a conductor that its tasks use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from baremetal_interfaces import Connector, DriverInfo
from baremetal_sdk.bmc import BMCAccess, BMCCredential, SlotsInfo, parse_slot_rules
from baremetal_sdk.clock import Clock
from baremetal_sdk.config import ConductorOptions
from baremetal_sdk.drivers.catalog import DriverCatalog
from baremetal_sdk.drivers.credentials import Credentials
from baremetal_sdk.observability.telemetry import Telemetry
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.secrets import SecretBox
from baremetal_sdk.tasks.change_listeners import ChangeListeners
from baremetal_sdk.tasks.history import History
from baremetal_sdk.tasks.leases import Leases
from baremetal_sdk.tasks.power import PowerActionGate
from baremetal_sdk.tasks.unwritten_failures import UnwrittenFailures


@dataclass(frozen=True)
class TaskDependencies:
    """The parts of the conductor that each of its tasks uses."""

    store: Store
    drivers: DriverCatalog
    bmc: BMCAccess
    leases: Leases
    secrets: SecretBox
    options: Callable[[], ConductorOptions]
    """Returns the conductor's options as of the last reload of the configuration."""
    clock: Clock
    change_listeners: ChangeListeners
    history: History
    power_gate: PowerActionGate
    credentials: Credentials | None = None
    """The host application's source of BMC secrets, or None without such a source."""
    is_leaving: Callable[[NodeRecord], bool] = lambda record: False
    """Returns whether this conductor is stopping and another conductor can take over the given node."""
    telemetry: Telemetry = field(default_factory=Telemetry)
    unwritten_failures: UnwrittenFailures = field(default_factory=UnwrittenFailures)

    def credential(
        self,
        connector: type[Connector[Any]],
        info: DriverInfo,
        hardware_type: str,
        raw_info: Mapping[str, Any],
        secrets: tuple[str, ...],
    ) -> BMCCredential:
        """Return the credential with which a node's driver borrows sessions with its BMC.

        *info* is the parsed ``driver_info``, and *raw_info* is the unparsed one including the values of *secrets*. The
        credential also has the limit of simultaneous requests. It comes from ``driver_info`` if given there, else from the
        options, else from *connector*.
        """
        options = self.options()
        slots_info = SlotsInfo.parse(raw_info) if SlotsInfo.is_given(raw_info) else None
        rules = parse_slot_rules(options.bmc_max_in_flight, options.bmc_concurrency_scope)
        limit, scope = rules.resolve(hardware_type, slots_info, connector.max_in_flight)
        return self.bmc.prepare_credential(connector, info, secrets, max_in_flight=limit, scope=scope)
