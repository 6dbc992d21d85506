"""Sections of a conductor: ``[conductor]``, ``[database]``, ``[events]``, ``[coordination]``."""

from __future__ import annotations

import dataclasses

from baremetal_sdk.config.setting import setting


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
    credentials_env_prefix: str | None = setting(
        None, "Prefix of environment variables with such secrets, the same for all nodes: <prefix><OPTION>."
    )
    bmc_max_in_flight: tuple[str, ...] = setting(
        (),
        "Requests that one BMC is sent at a time: a number, or hardware-type:number for the nodes of that type, with commas "
        "between them; by default what the driver says, mostly 1. driver_info/bmc_max_in_flight of a node goes before it.",
    )
    bmc_concurrency_scope: tuple[str, ...] = setting(
        (),
        "What that counts for: address (the default), or system where one address stands for many independent BMCs (an emulator, "
        "a chassis manager); hardware-type:system for the nodes of one type. driver_info/bmc_concurrency_scope goes before it.",
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
    secret_key_env: str | None = setting(None, "Environment variable with that key, in place of the file.")


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
