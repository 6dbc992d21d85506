"""Configuration of a conductor and its API as one frozen dataclass.

Options with the same meaning as in Ironic have the same names, so the runtime can load an ``ironic.conf``.
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
    """Configuration of a conductor and its API. The options of ``[DEFAULT]`` are direct fields."""

    host: str = setting(
        "",
        "Unique name of this conductor. Empty: the machine's host name. With rpc_transport = json-rpc, callers connect to this "
        "name.",
        change_when="several conductors share a machine, or other machines cannot reach the host name",
    )
    debug: bool = setting(
        False,
        "Log at level DEBUG instead of INFO.",
        change_when="you diagnose a problem",
    )
    use_json: bool = setting(
        False,
        "Write each log line as a JSON object.",
        change_when="a log system that reads JSON receives the log",
    )
    use_tracing: bool = setting(
        False,
        "Send OpenTelemetry spans by OTLP. The environment variables OTEL_* set the destination. Needs metald[tracing].",
        change_when="you run an OpenTelemetry collector",
    )
    auth_strategy: str = setting(
        "noauth",
        "Authentication of API clients. noauth: none, and every client is an administrator. http_basic: a user name and a "
        "password. client_certificate: the common name in the client's certificate. keystone: a token of Keystone.",
        choices=("noauth", "http_basic", "client_certificate", "keystone"),
        change_when="clients on other machines must reach the API",
    )
    rbac_service_role_elevated_access: bool = setting(
        False,
        "Grant users with the role service in the project rbac_service_project_name access to the whole system, as for users "
        "with a system-scoped token. Applies to auth_strategy = keystone.",
        change_when="services such as Nova have no system-scoped token",
    )
    rbac_service_project_name: str = setting(
        "service",
        "Name of the project whose users get the access of rbac_service_role_elevated_access.",
        change_when="the project of your services has another name",
    )
    http_basic_auth_user_file: str = setting(
        "/etc/ironic/htpasswd",
        "File with one line user:bcrypt-hash for each API user, for auth_strategy = http_basic.",
        change_when="the file is in another place",
    )
    rpc_transport: str = setting(
        "none",
        "Transport of calls from the API to conductors. none: both run in one process. json-rpc: HTTP. oslo: oslo.messaging "
        "with RabbitMQ.",
        choices=("none", "json-rpc", "oslo"),
        change_when="API and conductors are separate processes. Set the same value in all processes",
    )
    rpc_response_timeout: float = setting(
        60.0,
        "Time for which the API waits for the response of a conductor, in seconds. After that, the request gets status 504.",
        minimum=0.1,
        change_when="calls fail with DeadlineExceeded because the database is slow",
    )
    rpc_max_message_size: int = setting(
        20 * 1024 * 1024,
        "Maximum size of a message between API and conductor, in bytes.",
        minimum=65536,
        change_when="calls fail with MessageTooLarge",
    )
    executor_thread_pool_size: int = setting(
        64,
        "Maximum number of calls that a conductor executes at the same time with rpc_transport = oslo. It rejects further calls "
        "as busy.",
        minimum=1,
        change_when="conductors reject calls as busy although their machines are idle",
    )
    transport_url: str | None = setting(
        None,
        "URL of the message bus, for rpc_transport = oslo: rabbit://user:password@host:5672/virtual-host",
        secret=True,
        change_when="rpc_transport is oslo",
    )
    conductor_group: str = setting(
        "",
        "Conductor group of this conductor. It manages only nodes with the same conductor_group. Empty: nodes without a group.",
        change_when="only some conductors can reach the network of these nodes' BMCs",
    )
    enabled_hardware_types: tuple[str, ...] = setting(
        (),
        "Hardware types to offer. Empty: all that are installed.",
        change_when="you offer only some of the installed hardware types",
    )
    enabled_interfaces: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """Implementation names by kind (``enabled_<kind>_interfaces``). A kind without an entry offers all installed ones."""
    default_interfaces: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Name of the default implementation by kind (``default_<kind>_interface``)."""
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
    """Options of all other sections as unparsed text, by section and option. Plugins read their options from it."""

    @property
    def hostname(self) -> str:
        """Name of this conductor: ``host``, or the machine's host name."""
        return self.host or socket.gethostname()

    @property
    def rpc_auth_strategy(self) -> str:
        """Authentication of the callers of JSON-RPC: that of ``[json_rpc]``, or else that of the API."""
        return self.json_rpc.auth_strategy or self.auth_strategy

    @classmethod
    def load(cls, *files: str | Path, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Self:
        """Return the configuration in *files*.

        A later file overrides an earlier one, and *overrides* (section, then option, then value) override all files.
        Raises ``ConfigurationError`` with the file, section and option of a wrong value.
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
"""Dataclass that declares the options of each section except ``[DEFAULT]``, which ``ConductorConfig`` declares."""
