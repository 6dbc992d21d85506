"""What every task of a conductor is made with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from baremetal_sdk.bmc import BMCAccess
from baremetal_sdk.changes import Changes
from baremetal_sdk.clock import Clock
from baremetal_sdk.config import ConductorOptions
from baremetal_sdk.credentials import Credentials
from baremetal_sdk.drivers import Drivers
from baremetal_sdk.history import History
from baremetal_sdk.lease import Leases
from baremetal_sdk.power import PowerSwitch
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records import NodeRecord
from baremetal_sdk.store.secrets import SecretBox
from baremetal_sdk.telemetry import Telemetry


@dataclass(frozen=True)
class TaskServices:
    """The parts of the conductor that a task uses."""

    store: Store
    drivers: Drivers
    bmc: BMCAccess
    leases: Leases
    secrets: SecretBox
    options: Callable[[], ConductorOptions]
    clock: Clock
    changes: Changes
    history: History
    power_switch: PowerSwitch
    credentials: Credentials | None = None
    is_leaving: Callable[[NodeRecord], bool] = lambda record: False
    telemetry: Telemetry = field(default_factory=Telemetry)
