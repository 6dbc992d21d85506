"""Sections of a conductor: ``[conductor]``, ``[database]``, ``[events]``, ``[coordination]``."""

from __future__ import annotations

import dataclasses

from baremetal_sdk.config.setting import setting


def _wait_timeout(operation: str) -> float:
    timeout: float = setting(
        1800.0,
        f"Timeout of a node that waits during {operation}, in seconds. It applies to each wait for an event, and to each step "
        "that the conductor polls. When it expires, the operation fails. 0 disables the timeout.",
        minimum=0,
        change_when="this operation takes longer on your machines, or you want to detect lost machines sooner",
    )
    return timeout


@dataclasses.dataclass(frozen=True)
class ConductorOptions:
    """``[conductor]``: work on nodes, the power state, and the life cycle of the conductor."""

    workers_pool_size: int = setting(
        300,
        "Maximum number of threads for work on nodes.",
        minimum=3,
        change_when="you deploy or clean more machines at the same time than the pool has threads",
    )
    heartbeat_interval: float = setting(
        10.0,
        "Time between two heartbeats of a conductor, in seconds. A conductor counts as dead after 6 missed heartbeats. Set the "
        "same value in all processes.",
        minimum=0.1,
        change_when="the death of a conductor must be detected sooner",
    )
    lease_duration: float = setting(
        60.0,
        "Time after which a lease on a node expires if the conductor does not renew it, in seconds. A conductor renews each "
        "lease three times within this time.",
        minimum=1,
        change_when="other conductors must take over the nodes of a dead conductor sooner. It must be at least three "
        "times as long as a restart of your database",
    )
    sync_power_state_interval: float = setting(
        60.0,
        "Time between two reads of a node's power state, in seconds. 0 or a negative number disables these reads.",
        change_when="changes of the power state must be visible sooner, or BMCs receive too many requests",
    )
    power_state_change_timeout: float = setting(
        60.0,
        "Time in which a machine must reach the requested power state, in seconds. After that, the power action fails.",
        minimum=0.1,
        change_when="your machines need longer to change their power state",
    )
    soft_power_off_timeout: float = setting(
        600.0,
        "Time in which the operating system must complete a soft power off or soft reboot, in seconds. After that, the power "
        "action fails.",
        minimum=0.1,
        change_when="the operating systems on your machines need longer to shut down",
    )
    power_unknown_after: float = setting(
        300.0,
        "Time without a successful read after which the power state of a node becomes unknown, in seconds. The effective time "
        "is never shorter than three times sync_power_state_interval. 0 keeps the last known state.",
        minimum=0,
        change_when="the last known power state must stay visible for longer, for example for nodes in maintenance",
    )
    power_state_sync_max_retries: int = setting(
        3,
        "Number of failed reads of the power state in a row that a node may have. When more reads in a row fail, the conductor "
        "puts the node in maintenance.",
        minimum=0,
        change_when="your BMCs are unreachable for long periods without a fault",
    )
    deploy_callback_timeout: float = _wait_timeout("deployment")
    clean_callback_timeout: float = _wait_timeout("cleaning")
    rescue_callback_timeout: float = _wait_timeout("a rescue")
    service_callback_timeout: float = _wait_timeout("servicing")
    inspect_wait_timeout: float = setting(
        1800.0,
        "Timeout of a node that waits for an event during inspection, in seconds. When it expires, the inspection fails. 0 "
        "disables the timeout.",
        minimum=0,
        change_when="inspection takes longer on your machines, or you want to detect lost machines sooner",
    )
    automated_clean: bool = setting(
        True,
        "Clean machines before they become available. The automated_clean field of a node overrides this option.",
        change_when="machines may go from one user to the next without cleaning",
    )
    allow_deleting_available_nodes: bool = setting(
        True,
        "Allow clients to delete nodes in the provision state available.",
        change_when="clients must not delete deployable nodes by mistake",
    )
    credentials_directory: str | None = setting(
        None,
        "Directory with secrets of driver_info that are not in the database. The file <node UUID>/<option> is for one node, and "
        "<option> is for all other nodes. Empty: no directory.",
        change_when="another system manages the secrets of BMCs in files",
    )
    credentials_env_prefix: str | None = setting(
        None,
        "Prefix of the environment variables with secrets of driver_info that are not in the database. The variable "
        "<prefix><OPTION> is for all nodes. Ignored if credentials_directory is set. Empty: no variables.",
        change_when="the secrets of BMCs are in environment variables",
    )
    bmc_max_in_flight: tuple[str, ...] = setting(
        (),
        "Maximum number of requests that a BMC receives at the same time. Each item is a number for all nodes, or "
        "hardware-type:number for the nodes of one type, as in 2,ipmi:1. Empty: the limit of the driver, which is usually 1. "
        "driver_info/bmc_max_in_flight of a node overrides this option.",
        change_when="your BMCs can process several requests at the same time",
    )
    bmc_concurrency_scope: tuple[str, ...] = setting(
        (),
        "Scope of bmc_max_in_flight. address (the default): all nodes with the same BMC address share the limit. system: each "
        "system behind an address has its own limit. Each item is a scope for all nodes, or hardware-type:scope for the nodes of "
        "one type. driver_info/bmc_concurrency_scope of a node overrides this option.",
        change_when="many independent systems share one address, as behind an emulator or a chassis manager",
    )
    bmc_max_document_size: int = setting(
        1024 * 1024,
        "Maximum size of a document that a BMC sends, in bytes. Registries and collections may be four times as large. A "
        "document may have one value for each 16 bytes of its limit.",
        minimum=65536,
        change_when="calls fail because a response of your BMCs is too large or has too many values",
    )
    bmc_ca_directory: str | None = setting(
        None,
        "Absolute path of the directory with the certificate authorities that driver_info may name, as in redfish_verify_ca. "
        "Files outside of it are refused. Empty: any file that the conductor can read.",
        change_when="clients that may set driver_info must not name other files on the conductor",
    )
    bmc_call_timeout: float = setting(
        60.0,
        "Timeout of one driver call, in seconds. It includes retries. Another conductor takes over an expired lease only after "
        "this additional time.",
        minimum=0.1,
        change_when="your BMCs need longer to respond",
    )
    node_history: bool = setting(
        True,
        "Store a history of each node.",
        change_when="you do not use the history",
    )
    node_history_max_entries: int = setting(
        300,
        "Maximum number of history entries for each node. A periodic job deletes the oldest entries above it. 0 means no limit.",
        minimum=0,
        change_when="you need a longer history, or the database grows too large",
    )
    node_history_minimum_days: int = setting(
        0,
        "Minimum age of history entries that may be deleted, in days. Younger entries stay, even above node_history_max_entries.",
        minimum=0,
        change_when="an audit requires you to keep entries",
    )
    node_history_cleanup_interval: float = setting(
        86400.0,
        "Time between two deletions of old history entries, in seconds. 0 or a negative number disables deletion.",
        change_when="old entries must be deleted sooner",
    )
    graceful_shutdown_timeout: float = setting(
        60.0,
        "Time in which a conductor or API stops, in seconds. Running work may finish within this time. Near the end of it, "
        "the conductor cancels the remaining work.",
        minimum=0,
        change_when="running work needs longer to finish. TimeoutStopSec of systemd must be longer than this option",
    )


@dataclasses.dataclass(frozen=True)
class DatabaseConfig:
    """``[database]``: the database of nodes, and the key that encrypts their credentials."""

    connection: str | None = setting(
        None,
        "SQLAlchemy URL of the database, such as sqlite:////var/lib/metald/metald.sqlite. Empty: metald serve "
        "uses an SQLite file in its state directory. A host application uses its own store, or keeps nodes in memory only.",
        change_when="several processes share the nodes, or the database must be in another place",
    )
    max_pool_size: int = setting(
        0,
        "Maximum number of connections of a process to a PostgreSQL or MariaDB server. 0 selects the number: in a conductor, one "
        "connection for every six threads, within 10 to 60; in an API process, one for each of [api] max_threads.",
        minimum=0,
        change_when="the server allows fewer connections, or transactions wait for a connection. The server's limit must cover "
        "all processes",
    )
    sqlite_synchronous: bool = setting(
        True,
        "Report a change to an SQLite database as done only after the change is on the disk, so that no power failure loses it. "
        "If false, changes do not wait for the disk; a power failure may lose the last ones, but a crash of the process loses "
        "none. Other databases have their own options for this.",
        change_when="the disk is slow, and losing the last changes in a power failure is acceptable",
    )
    secret_key_file: str | None = setting(
        None,
        "File with the key that encrypts credentials in the database. The conductor creates the file if it is missing and the "
        "database has no encrypted credentials. All conductors need the same key. Empty: metald serve uses a file in its state "
        "directory. Every other service with a database needs this option or secret_key_env.",
        change_when="several conductors share the database, or the key must be in another place",
    )
    secret_key_env: str | None = setting(
        None,
        "Name of the environment variable with the key that encrypts credentials. If set, secret_key_file is ignored.",
        change_when="the key comes from a vault through the environment",
    )
    accept_lost_keys: bool = setting(
        False,
        "Start although the keys do not decrypt all credentials in the database. The credentials of the affected nodes have to "
        "be set again.",
        change_when="a key is lost and no backup of it exists. Reset the option after the credentials are set",
    )


@dataclasses.dataclass(frozen=True)
class EventsConfig:
    """``[events]``: the stored events of nodes, and the event streams of API clients."""

    enabled: bool = setting(
        True,
        "Store events of nodes and serve them to clients. Set the same value in all processes.",
        change_when="no client reads events. Each write then takes one statement less",
    )
    retention: float = setting(
        3600.0,
        "Time for which events are stored, in seconds. A client that reconnects within it misses no event.",
        minimum=60,
        change_when="clients are disconnected for longer, or the table of events grows too large",
    )
    max_streams: int = setting(
        200,
        "Maximum number of open event streams of an API process. Further clients get status 503. A stream needs memory and a "
        "file descriptor, but no thread.",
        minimum=1,
        change_when="clients get status 503 from the event stream",
    )
    max_stream_age: float = setting(
        900.0,
        "Time after which the server closes an event stream, in seconds. The client reconnects with its cursor and "
        "authenticates again.",
        minimum=1,
        change_when="a proxy between clients and the service ends long responses earlier, or revoked Keystone tokens must end "
        "streams sooner. Other revoked credentials end their streams at once",
    )
    poll_interval: float = setting(
        0.5,
        "Time between two checks of the database for events of other processes, in seconds. The API checks only while streams "
        "are open.",
        minimum=0.05,
        change_when="conductors are separate processes and their events must arrive sooner",
    )


@dataclasses.dataclass(frozen=True)
class CoordinationConfig:
    """``[coordination]``: the service that detects dead conductors in addition to the database."""

    backend_url: str | None = setting(
        None,
        "URL of a tooz backend that detects dead conductors, such as etcd3+http://host:2379?membership_timeout=10. Empty: only "
        "missed heartbeats in the database show that a conductor is dead. Needs baremetal-sdk[tooz].",
        secret=True,
        change_when="you run etcd or another backend of tooz and want to detect dead conductors sooner",
    )
