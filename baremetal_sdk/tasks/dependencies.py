"""What every task of a conductor is made with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from baremetal_interfaces import Connector, DriverInfo
from baremetal_sdk.bmc import BMCAccess, BMCCredential, SlotsInfo, parse_slot_rules
from baremetal_sdk.clock import Clock
from baremetal_sdk.config import ConductorOptions
from baremetal_sdk.drivers.catalog import Drivers
from baremetal_sdk.drivers.credentials import Credentials
from baremetal_sdk.observability.telemetry import Telemetry
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.secrets import SecretBox
from baremetal_sdk.tasks.change_listeners import ChangeListeners
from baremetal_sdk.tasks.history import History
from baremetal_sdk.tasks.leases import Leases
from baremetal_sdk.tasks.power import PowerActionGate


@dataclass(frozen=True)
class TaskDependencies:
    """The parts of the conductor that a task uses."""

    store: Store
    drivers: Drivers
    bmc: BMCAccess
    leases: Leases
    secrets: SecretBox
    options: Callable[[], ConductorOptions]
    clock: Clock
    change_listeners: ChangeListeners
    history: History
    power_gate: PowerActionGate
    credentials: Credentials | None = None
    is_leaving: Callable[[NodeRecord], bool] = lambda record: False
    telemetry: Telemetry = field(default_factory=Telemetry)

    def account(
        self,
        connector: type[Connector[Any]],
        info: DriverInfo,
        hardware_type: str,
        raw: Mapping[str, Any],
        secrets: tuple[str, ...],
    ) -> BMCCredential:
        """Whose sessions a node's driver borrows, and how many requests its BMC is sent at a time."""
        options = self.options()
        given = SlotsInfo.parse(raw) if SlotsInfo.is_given(raw) else None
        rules = parse_slot_rules(options.bmc_max_in_flight, options.bmc_concurrency_scope)
        most, per = rules.of(hardware_type, given, connector.max_in_flight)
        return self.bmc.account(connector, info, secrets, most=most, per=per)
