"""The configuration: frozen dataclasses that are handed in, and their reading from a file in oslo.config's format.

Options keep the names that operators of Ironic know where the meaning is the same, so that an ``ironic.conf`` loads.
"""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from oslo_config import cfg

from baremetal_interfaces import Kind
from baremetal_sdk.config_options import options_of, setting
from baremetal_sdk.config_sensor_data import SensorDataConfig
from baremetal_sdk.errors import ConfigurationError


@dataclasses.dataclass(frozen=True)
class APIConfig:
    """``[api]``: the HTTP server."""

    host_ip: str = setting("127.0.0.1", "Address to listen on, or several with commas between them.")
    port: int = setting(6385, "TCP port to listen on; 0 takes a free one.", minimum=0, maximum=65535)
    reuse_port: bool = setting(False, "Whether others may listen on the port as well; what waits is lost when one of them stops.")
    unix_socket: str | None = setting(None, "Path of a unix socket to listen on, in place of an address.")
    unix_socket_mode: str = setting("0660", "File mode of the unix socket, in octal digits.")
    unix_socket_owner: str | None = setting(None, "Owner of the unix socket: user, user:group or :group.")
    systemd_socket: str | None = setting(
        None, "Name (FileDescriptorName=) of the sockets of systemd to listen on, in place of an address; all: all of them."
    )
    noauth_beyond_loopback: bool = setting(False, "Whether to listen on any address although auth_strategy is noauth.")
    enable_ssl_api: bool = setting(False, "Whether to serve HTTPS, with cert_file and key_file.")
    cert_file: str | None = setting(None, "PEM file with the certificate chain of the server.")
    key_file: str | None = setting(None, "PEM file with the private key of the server.")
    tls_min_version: str = setting("1.2", "Oldest version of TLS to speak.", choices=("1.2", "1.3"))
    tls_ciphers: str | None = setting(None, "Ciphers of TLS 1.2, as OpenSSL writes them; by default Python's choice.")
    client_certificates: str = setting(
        "none", "Whether clients show a certificate of an authority in client_ca_file.", choices=("none", "optional", "required")
    )
    client_ca_file: str | None = setting(None, "PEM file with the authorities of the clients' certificates.")
    roles_file: str | None = setting(
        None, "File with a line user: role [project] for each user, without Keystone; without a file all of them are admins."
    )
    max_limit: int = setting(1000, "Records in one page of a listing, at most.", minimum=1)
    public_endpoint: str | None = setting(None, "URL that links start with, in place of the Host header of the request.")
    enable_proxy_headers_parsing: bool = setting(False, "Whether to believe X-Forwarded-* of trusted_proxies.")
    trusted_proxies: tuple[str, ...] = setting(
        ("127.0.0.1", "::1"), "Addresses and networks of proxies whose headers are believed; unix: whoever uses the unix socket."
    )
    request_log: str = setting(
        "", "Line for each request at level INFO: common, combined, json, or a format of your own; empty: none."
    )
    min_threads: int = setting(
        4, "Threads that serve requests, at least; requests that soon end are served by no more of them at a time.", minimum=1
    )
    max_threads: int = setting(32, "Threads that serve requests, at most.", minimum=1)
    max_waiting_requests: int = setting(
        1024, "Requests that wait for a thread, at most; beyond them the answer is 503.", minimum=0
    )
    max_connections: int = setting(4096, "Connections, at most; beyond them a silent one makes room.", minimum=16)
    max_connections_per_peer: int = setting(0, "Connections from one address, at most; 0: as many as there are.", minimum=0)
    max_request_body_size: int = setting(4 * 1024 * 1024, "Bytes in the body of a request, at most.", minimum=1024)
    request_timeout: float = setting(60.0, "Seconds that a connection may be silent between requests.", minimum=0.1)
    handshake_timeout: float = setting(10.0, "Seconds for the whole of a TLS handshake.", minimum=0.1)
    header_timeout: float = setting(20.0, "Seconds for the whole of a request's headers.", minimum=0.1)
    transfer_grace: float = setting(
        20.0, "Seconds in which a body or an answer may be slower than least_transfer_rate.", minimum=0.1
    )
    least_transfer_rate: float = setting(8192.0, "Bytes per second at which bodies and answers move, at least.", minimum=1)


@dataclasses.dataclass(frozen=True)
class ConductorOptions:
    """``[conductor]``: background work and life cycle."""

    workers_pool_size: int = setting(300, "Threads for work on nodes, at most.", minimum=3)
    heartbeat_interval: float = setting(10.0, "Seconds between two heartbeats of the conductor.", minimum=0.1)
    lease_duration: float = setting(60.0, "Seconds until a lease that is not renewed expires.", minimum=1)
    sync_power_state_interval: float = setting(60.0, "Seconds between two observations of a node's power; 0 or less: none.")
    power_state_change_timeout: float = setting(60.0, "Seconds for a machine to reach a power state.", minimum=0.1)
    soft_power_off_timeout: float = setting(600.0, "Seconds for a machine to shut down when it is asked softly.", minimum=0.1)
    power_unknown_after: float = setting(
        300.0,
        "Seconds without an observation after which power is unknown, at least three intervals; 0: it stays as it was seen.",
        minimum=0,
    )
    power_state_sync_max_retries: int = setting(3, "Failed observations of power until a node is put in maintenance.", minimum=0)
    deploy_callback_timeout: float = setting(
        1800.0, "Seconds to wait for an event in a deployment, or for a step that is polled to end; 0: for ever.", minimum=0
    )
    clean_callback_timeout: float = setting(
        1800.0, "Seconds to wait for an event in cleaning, or for a step that is polled to end; 0: for ever.", minimum=0
    )
    rescue_callback_timeout: float = setting(
        1800.0, "Seconds to wait for an event in a rescue, or for a step that is polled to end; 0: for ever.", minimum=0
    )
    service_callback_timeout: float = setting(
        1800.0, "Seconds to wait for an event in servicing, or for a step that is polled to end; 0: for ever.", minimum=0
    )
    inspect_wait_timeout: float = setting(1800.0, "Seconds to wait for an event in an inspection; 0: for ever.", minimum=0)
    automated_clean: bool = setting(True, "Whether machines are cleaned before they become available.")
    allow_deleting_available_nodes: bool = setting(True, "Whether a node can be deleted while it is available.")
    credentials_directory: str | None = setting(
        None, "Directory with secrets of driver_info that are not in the database: <UUID>/<option>, or <option> for all nodes."
    )
    credentials_variables: str | None = setting(
        None, "Prefix of environment variables with such secrets, the same for all nodes: <prefix><OPTION>."
    )
    bmc_max_in_flight: tuple[str, ...] = setting(
        (),
        "Requests that one BMC is sent at a time: a number, or hardware-type:number for the nodes of that type, with commas "
        "between them; by default what the driver says, mostly 1. driver_info/bmc_max_in_flight of a node goes before it.",
    )
    bmc_in_flight_per: tuple[str, ...] = setting(
        (),
        "What that counts for: address (the default), or system where one address stands for many independent BMCs (an emulator, "
        "a chassis manager); hardware-type:system for the nodes of one type. driver_info/bmc_in_flight_per goes before it.",
    )
    bmc_call_timeout: float = setting(60.0, "Seconds for one call of a driver.", minimum=0.1)
    node_history: bool = setting(True, "Whether a history of each node is kept.")
    node_history_max_entries: int = setting(300, "Entries of the history that a node keeps, at most; 0: all.", minimum=0)
    node_history_minimum_days: int = setting(0, "Days for which an entry is kept, however many there are.", minimum=0)
    node_history_cleanup_interval: float = setting(86400.0, "Seconds between two deletions of old entries; 0 or less: none.")
    graceful_shutdown_timeout: float = setting(60.0, "Seconds for running work to end when the conductor stops.", minimum=0)


@dataclasses.dataclass(frozen=True)
class DatabaseConfig:
    """``[database]``: where nodes are kept."""

    connection: str | None = setting(None, "SQLAlchemy URL of the database; without one, what the host application hands in.")
    max_pool_size: int = setting(
        0,
        "Connections to a database server, at most; 0: one for six threads, 10 to 60. Raise it with the server's limit.",
        minimum=0,
    )
    secret_key_file: str | None = setting(None, "File with the key that encrypts credentials; it is made where it is missing.")
    secret_key_variable: str | None = setting(None, "Environment variable with that key, in place of the file.")


@dataclasses.dataclass(frozen=True)
class JSONRPCConfig:
    """``[json_rpc]``: how calls of the API reach conductors with rpc_transport json-rpc."""

    host_ip: str = setting("127.0.0.1", "Address that the conductor listens on, or several with commas between them.")
    port: int = setting(8089, "TCP port of all conductors; with 0 no other process knows which.", minimum=0, maximum=65535)
    use_ssl: bool = setting(False, "Whether both sides speak HTTPS.")
    cert_file: str | None = setting(None, "PEM file with the certificate chain of the conductor; change it with use_ssl.")
    key_file: str | None = setting(None, "PEM file with the private key of the conductor.")
    client_certificates: str = setting(
        "none", "Whether callers show a certificate of an authority in client_ca_file.", choices=("none", "optional", "required")
    )
    client_ca_file: str | None = setting(None, "PEM file with the authorities of the callers' certificates.")
    ca_file: str | None = setting(None, "PEM file with the authorities that callers trust; by default the system's.")
    client_cert_file: str | None = setting(None, "PEM file with the certificate that a caller shows.")
    client_key_file: str | None = setting(None, "PEM file with the key of client_cert_file.")
    auth_strategy: str = setting("noauth", "How callers are known.", choices=("noauth", "http_basic", "keystone"))
    http_basic_auth_user_file: str = setting(
        "/etc/ironic/htpasswd-json-rpc", "File with a line user:bcrypt-hash for each caller, for auth_strategy http_basic."
    )
    username: str | None = setting(None, "Name that a caller gives, for auth_strategy http_basic.")
    password: str | None = setting(None, "Password that a caller gives.", secret=True)
    allowed_roles: tuple[str, ...] = setting(
        ("admin", "service"),
        "One of these a caller has, for auth_strategy keystone: in the whole system or in the project of [keystone_authtoken].",
    )
    auth_section: str = setting(
        "keystone_authtoken", "Section with the options of keystoneauth by which callers log in, for auth_strategy keystone."
    )
    noauth_beyond_loopback: bool = setting(False, "Whether to listen on any address although nobody is asked for a name.")
    max_threads: int = setting(64, "Calls that a conductor answers at a time.", minimum=1)
    max_waiting_calls: int = setting(256, "Calls that wait for that, at most; beyond them the answer is busy.", minimum=0)
    idle_timeout: float = setting(120.0, "Seconds for which a connection is kept between two calls.", minimum=1)


@dataclasses.dataclass(frozen=True)
class HealthcheckConfig:
    """``[healthcheck]``: the path that Ironic's load balancers look at."""

    enabled: bool = setting(False, "Whether /healthcheck is served, beside /healthz and /readyz.")


@dataclasses.dataclass(frozen=True)
class MetricsConfig:
    """``[metrics]``: figures for Prometheus."""

    endpoint: str = setting(
        "api",
        "Where /metrics is served: on the API's address, to readers of the whole system; on an address of its own, to everybody; "
        "or nowhere.",
        choices=("api", "own", "none"),
    )
    host_ip: str = setting("127.0.0.1", "Address to listen on with endpoint own, or several with commas between them.")
    port: int = setting(9635, "TCP port to listen on with endpoint own.", minimum=0, maximum=65535)


@dataclasses.dataclass(frozen=True)
class EventsConfig:
    """``[events]``: what happens to nodes, kept for those who follow it."""

    enabled: bool = setting(True, "Whether what happens to nodes is kept and can be followed; the same on all parts.")
    retention: float = setting(3600.0, "Seconds for which an event is kept for readers that come back.", minimum=60)
    max_streams: int = setting(
        200, "Streams of events of one API process at a time, at most; beyond them the answer is 503.", minimum=1
    )
    max_stream_age: float = setting(
        900.0, "Seconds for which a stream is open; its reader comes back with its cursor, and is asked who it is.", minimum=1
    )
    poll_interval: float = setting(
        0.5, "Seconds between two looks for events of other processes, while there are streams.", minimum=0.05
    )


@dataclasses.dataclass(frozen=True)
class CoordinationConfig:
    """``[coordination]``: who else notices that a conductor has died."""

    backend_url: str | None = setting(
        None,
        "URL of a backend of tooz, such as etcd3+http://host:2379?membership_timeout=10; by default heartbeats in the database.",
        secret=True,
    )


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
        return cls(**_Reader(files, overrides or {}).values(cls))


KINDS = tuple(str(kind) for kind in Kind)
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


class _Reader:
    """Reads files with oslo.config and gives back plain values."""

    def __init__(self, files: Sequence[str | Path], overrides: Mapping[str, Mapping[str, Any]]) -> None:
        self._overrides = overrides
        self._conf = cfg.ConfigOpts()
        self._conf.register_opts(options_of(ConductorConfig) + _interface_options())
        for name, section in SECTIONS.items():
            self._conf.register_opts(options_of(section), group=name)
        self._files = [str(file) for file in files]
        try:
            self._conf(args=[], project="", default_config_files=self._files, default_config_dirs=[])
        except (cfg.ConfigFilesNotFoundError, cfg.ConfigFilesPermissionDeniedError, cfg.ConfigFileParseError) as exc:
            raise ConfigurationError(f"the configuration cannot be read: {exc}") from exc

    def values(self, top: type[ConductorConfig]) -> dict[str, Any]:
        """The arguments of *top*."""
        values = self._section("DEFAULT", top)
        values.update({name: section(**self._section(name, section)) for name, section in SECTIONS.items()})
        values["enabled_interfaces"] = {
            kind: tuple(names) for kind in KINDS if (names := self._get("DEFAULT", f"enabled_{kind}_interfaces"))
        }
        values["default_interfaces"] = {
            kind: name for kind in KINDS if (name := self._get("DEFAULT", f"default_{kind}_interface"))
        }
        values["plugins"] = {name: section for name, section in self.sections().items() if name not in {"DEFAULT", *SECTIONS}}
        return values

    def _section(self, name: str, section: type) -> dict[str, Any]:
        return {option.dest: self._get(name, option.dest) for option in options_of(section)}

    def _get(self, section: str, option: str) -> Any:
        if option in self._overrides.get(section, {}):
            return self._overrides[section][option]
        try:
            value = self._conf[option] if section == "DEFAULT" else self._conf[section][option]
        except (cfg.ConfigFileValueError, cfg.NoSuchOptError, ValueError) as exc:
            raise ConfigurationError(f"{', '.join(self._files)}: [{section}] {option}: {exc}") from exc
        return tuple(value) if isinstance(value, list) else value

    def sections(self) -> dict[str, dict[str, str]]:
        """All that stands in the files, as text."""
        return read_sections(self._files)


def read_sections(files: Iterable[str | Path]) -> dict[str, dict[str, str]]:
    """Section -> option -> the last text given for it, of files in oslo.config's format."""
    found: dict[str, dict[str, str]] = {}
    for file in files:
        parsed: dict[str, dict[str, list[str]]] = {}
        cfg.ConfigParser(str(file), parsed).parse()
        for section, options in parsed.items():
            found.setdefault(section, {}).update({name: values[-1] for name, values in options.items()})
    return found


def known_options() -> dict[str, set[str]]:
    """Section -> the options that the runtime knows there."""
    known = {name: {option.dest for option in options_of(section)} for name, section in SECTIONS.items()}
    known["DEFAULT"] = {option.dest for option in options_of(ConductorConfig) + _interface_options()}
    return known


def unknown_options(files: Iterable[str | Path]) -> list[str]:
    """Options of the runtime's own sections that have no meaning here, as ``[section] option``."""
    known = known_options()
    return [
        f"[{section}] {name}"
        for section, options in read_sections(files).items()
        for name in options
        if section in known and name.replace("-", "_") not in known[section]
    ]


def _interface_options() -> list[cfg.Opt]:
    options: list[cfg.Opt] = []
    for kind in KINDS:
        options.append(
            cfg.ListOpt(f"enabled_{kind}_interfaces", default=[], help=f"Implementations of {kind} to offer; all, if empty.")
        )
        options.append(cfg.StrOpt(f"default_{kind}_interface", help=f"Implementation of {kind} for nodes that name none."))
    return options
