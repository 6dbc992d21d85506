"""Commands ``metald check-config`` and ``metald sample-config``: check configuration files, or print one with all options."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from baremetal_sdk.config import ConductorConfig, find_unknown_options, list_known_options
from baremetal_sdk.errors import ConfigurationError

_FILE_OPTIONS = ("cert_file", "key_file", "client_ca_file", "ca_file", "client_cert_file", "client_key_file", "roles_file")
_DATABASE_DRIVERS = {"postgresql": ("psycopg", "postgresql"), "mariadb": ("pymysql", "mariadb"), "mysql": ("pymysql", "mariadb")}


def check_config(config_files: Sequence[Path], *, part: str) -> int:
    """Check the configuration for the command ``metald`` *part* (serve, api or conductor), and print problems and remarks.

    Starts and changes nothing. Return 2 if the command cannot start with the configuration, otherwise 0.
    """
    try:
        config = ConductorConfig.load(*config_files)
    except ConfigurationError as exc:
        print(f"wrong  {exc}")
        return 2
    problems = list(_find_problems(config, part))
    for problem in problems:
        print(f"wrong  {problem}")
    for remark in _find_remarks(config, config_files):
        print(f"note   {remark}")
    if not problems:
        print(f"ok     metald {part} can be started with {', '.join(map(str, config_files)) or 'the defaults'}")
    return 2 if problems else 0


def _find_problems(config: ConductorConfig, part: str) -> Iterator[str]:
    """Yield each problem that keeps ``metald`` *part* from starting."""
    if part != "serve":
        yield from _find_process_problems(config)
    yield from _find_database_problems(config)
    yield from _find_file_problems(config)
    yield from _find_keystone_problems(config)
    if config.api.enable_ssl_api and not (config.api.cert_file and config.api.key_file):
        yield "[api] enable_ssl_api: true, but cert_file or key_file is not set; set both"
    if config.rpc_transport == "json-rpc" and config.json_rpc.use_ssl and not (config.json_rpc.cert_file or part == "api"):
        yield "[json_rpc] use_ssl: true, but cert_file or key_file of the conductor is not set; set both"
    if config.coordination.backend_url is not None and find_spec("tooz") is None:
        yield "[coordination] backend_url: needs tooz, which is not installed; pip install 'baremetal-sdk[tooz]'"
    if config.conductor.heartbeat_interval * 2 > config.conductor.lease_duration * 3:
        yield (
            f"[conductor] heartbeat_interval: {config.conductor.heartbeat_interval:g} s is too long for lease_duration "
            f"({config.conductor.lease_duration:g} s): leases would expire long before their conductor counts as dead; shorten it"
        )


def _find_process_problems(config: ConductorConfig) -> Iterator[str]:
    """Yield each problem of a configuration for separate API and conductor processes."""
    if config.rpc_transport == "none":
        yield "[DEFAULT] rpc_transport: 'none' works only in one process (metald serve); set json-rpc or oslo in all processes"
    if config.database.connection is None:
        yield "[database] connection: not set, and separate processes share one database; set its URL"
    if config.database.secret_key_file is None and config.database.secret_key_env is None:
        yield (
            "[database] secret_key_file: not set, and separate processes need the same key for the secrets in the database; "
            "give all conductors and APIs a copy of one key file"
        )
    if config.rpc_transport == "oslo" and config.transport_url is None:
        yield "[DEFAULT] transport_url: not set, and rpc_transport oslo needs it; set rabbit://user:password@host:5672/"
    if config.rpc_transport == "oslo" and find_spec("oslo_messaging") is None:
        yield "[DEFAULT] rpc_transport: oslo needs oslo.messaging; pip install 'baremetal-sdk[oslo-messaging]'"
    if config.rpc_transport == "json-rpc" and config.rpc_auth_strategy == "http_basic" and config.json_rpc.username is None:
        yield "[json_rpc] username, password: not set, and callers of conductors need them with http_basic; set both"
    if config.rpc_transport == "json-rpc" and config.json_rpc.port == 0:
        yield "[json_rpc] port: 0 selects a free port, which callers cannot know; set a fixed port"


def _find_database_problems(config: ConductorConfig) -> Iterator[str]:
    """Yield a problem if the kind of database is unknown or its driver is not installed. The database is not opened."""
    url = config.database.connection
    if url is None:
        return
    backend = url.partition(":")[0].partition("+")[0]
    if backend not in ("sqlite", *_DATABASE_DRIVERS):
        yield "[database] connection: unknown database; use sqlite:///, postgresql+psycopg:// or mariadb+pymysql://"
    elif backend in _DATABASE_DRIVERS and find_spec(_DATABASE_DRIVERS[backend][0]) is None:
        yield f"[database] connection: the driver is not installed; pip install 'baremetal-sdk[{_DATABASE_DRIVERS[backend][1]}]'"


def _find_file_problems(config: ConductorConfig) -> Iterator[str]:
    """Yield a problem for each file that an option names and that is not readable."""
    for section in ("api", "json_rpc"):
        for option in _FILE_OPTIONS:
            name = getattr(getattr(config, section), option, None)
            if name is not None and not os.access(name, os.R_OK):
                yield f"[{section}] {option}: {name} does not exist or is not readable; correct the path or its permissions"
    users: list[tuple[str, str, str]] = [(config.auth_strategy, "[DEFAULT]", config.http_basic_auth_user_file)]
    if config.rpc_transport == "json-rpc":
        users.append((config.rpc_auth_strategy, "[json_rpc]", config.json_rpc.http_basic_auth_user_file))
    for strategy, section, file in users:
        if strategy == "http_basic" and not os.access(file, os.R_OK):
            yield (
                f"{section} http_basic_auth_user_file: {file} does not exist or is not readable; "
                "correct the path or its permissions"
            )


def _find_keystone_problems(config: ConductorConfig) -> Iterator[str]:
    """Yield each problem of the Keystone options. Keystone is not contacted."""
    sections = {"keystone_authtoken"} if config.auth_strategy == "keystone" else set()
    if config.rpc_transport == "json-rpc" and config.rpc_auth_strategy == "keystone":
        sections |= {"keystone_authtoken", config.json_rpc.auth_section}
    if sections and find_spec("keystonemiddleware") is None:
        yield "auth_strategy: keystone needs keystonemiddleware, which is not installed; pip install 'baremetal-sdk[keystone]'"
    for section in sorted(sections):
        for option in ("auth_type", "auth_url"):
            if not config.plugins.get(section, {}).get(option):
                yield f"[{section}] {option}: not set, and auth_strategy keystone needs it; set it"


def _find_remarks(config: ConductorConfig, files: Sequence[Path]) -> Iterator[str]:
    """Yield remarks that do not keep a service from starting: unknown options, no authentication, or readable passwords."""
    known = list_known_options()
    for option in find_unknown_options(files):
        section, name = option[1:].split("] ")
        close = difflib.get_close_matches(name, known[section], 1)

        hint = f"; did you mean {close[0]}?" if close else ""
        yield f"{option} is not an option of metald and is ignored{hint}"
    if config.auth_strategy == "noauth":
        yield "[DEFAULT] auth_strategy: noauth gives every client full access, so the API listens on loopback only"
    for file in files:
        if file.exists() and file.stat().st_mode & 0o004 and _has_secrets(config):
            yield f"{file}: contains passwords and is readable by all users; chmod 0640"


def _has_secrets(config: ConductorConfig) -> bool:
    database = config.database.connection or ""
    has_plugin_password = any("password" in section for section in config.plugins.values())
    return bool(config.transport_url or config.json_rpc.password or "@" in database or has_plugin_password)


def sample_config() -> int:
    """Print a configuration file with all options, commented out, and return exit code 0."""
    from baremetal_sdk.config.sample import render_sample

    sys.stdout.write(render_sample())
    return 0
