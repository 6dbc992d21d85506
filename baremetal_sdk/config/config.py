"""The whole configuration as one frozen dataclass that is passed to a conductor.

Options keep the names of Ironic's options where the meaning is the same, so that an ``ironic.conf`` loads.
"""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from baremetal_sdk.config.conductor_sections import ConductorOptions, CoordinationConfig, DatabaseConfig, EventsConfig
from baremetal_sdk.config.http_sections import APIConfig, HealthcheckConfig, MetricsConfig
from baremetal_sdk.config.rpc_sections import JSONRPCConfig
from baremetal_sdk.config.sensor_data import SensorDataConfig
from baremetal_sdk.config.setting import setting


@dataclasses.dataclass(frozen=True)
class ConductorConfig:
    """All that a conductor and its API are told. ``[DEFAULT]`` is at this level."""

    host: str = setting("", "Name of this conductor among its peers; by default the machine's host name.")
    debug: bool = setting(False, "Whether to log at level DEBUG.")
    use_json: bool = setting(False, "Whether each line of the log is a JSON object.")
    use_tracing: bool = setting(
        False, "Whether spans are sent by OTLP, to where the variables OTEL_* of OpenTelemetry say; needs metald[tracing]."
    )
    auth_strategy: str = setting(
        "noauth", "How callers of the API are known.", choices=("noauth", "http_basic", "client_certificate", "keystone")
    )
    rbac_service_role_elevated_access: bool = setting(
        False, "Whether the role service, in the project rbac_service_project_name, may what members of the whole system may."
    )
    rbac_service_project_name: str = setting("service", "Name of the project of services, with Keystone.")
    http_basic_auth_user_file: str = setting(
        "/etc/ironic/htpasswd", "File with a line user:bcrypt-hash for each who may use the API, for auth_strategy http_basic."
    )
    rpc_transport: str = setting(
        "none", "How API and conductor talk: none is in one process.", choices=("none", "json-rpc", "oslo")
    )
    rpc_response_timeout: float = setting(60.0, "Seconds for which the API waits for an answer of a conductor.", minimum=0.1)
    rpc_max_message_size: int = setting(16 * 1024 * 1024, "Bytes in one message between API and conductor.", minimum=65536)
    executor_thread_pool_size: int = setting(
        64, "Calls that a conductor answers at a time with rpc_transport oslo; beyond them it is busy.", minimum=1
    )
    transport_url: str | None = setting(
        None, "URL of the message bus, for rpc_transport oslo: rabbit://user:password@host:5672/virtual-host", secret=True
    )
    conductor_group: str = setting("", "Group of nodes that this conductor drives.")
    enabled_hardware_types: tuple[str, ...] = setting((), "Hardware types to offer; by default all that are installed.")
    enabled_interfaces: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """Kind -> names (``enabled_<kind>_interfaces``); a kind that is not named has all that are installed."""
    default_interfaces: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Kind -> name (``default_<kind>_interface``)."""
    api: APIConfig = dataclasses.field(default_factory=APIConfig)
    conductor: ConductorOptions = dataclasses.field(default_factory=ConductorOptions)
    database: DatabaseConfig = dataclasses.field(default_factory=DatabaseConfig)
    json_rpc: JSONRPCConfig = dataclasses.field(default_factory=JSONRPCConfig)
    coordination: CoordinationConfig = dataclasses.field(default_factory=CoordinationConfig)
    metrics: MetricsConfig = dataclasses.field(default_factory=MetricsConfig)
    events: EventsConfig = dataclasses.field(default_factory=EventsConfig)
    sensor_data: SensorDataConfig = dataclasses.field(default_factory=SensorDataConfig)
    healthcheck: HealthcheckConfig = dataclasses.field(default_factory=HealthcheckConfig)
    plugins: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    """Sections that are not the runtime's own, as text: where the options of plugins come from."""

    @property
    def hostname(self) -> str:
        """The name of this conductor."""
        return self.host or socket.gethostname()

    @classmethod
    def load(cls, *files: str | Path, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Self:
        """Read configuration files, later ones over earlier ones; *overrides* (section -> option -> value) over all.

        Raises ``ConfigurationError``, which names file, section and option.
        """
        from baremetal_sdk.config.reader import ConfigReader

        return cls(**ConfigReader(files, overrides or {}, top=cls, sections=SECTIONS).values())


SECTIONS: dict[str, type] = {
    "api": APIConfig,
    "conductor": ConductorOptions,
    "database": DatabaseConfig,
    "json_rpc": JSONRPCConfig,
    "coordination": CoordinationConfig,
    "metrics": MetricsConfig,
    "events": EventsConfig,
    "sensor_data": SensorDataConfig,
    "healthcheck": HealthcheckConfig,
}
"""Section -> what declares its options, beside ``[DEFAULT]``, which is ``ConductorConfig`` itself."""
