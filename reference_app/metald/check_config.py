"""``metald check-config``: what is wrong with configuration files, in plain words, before a service is started with them."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from baremetal_sdk.config import ConductorConfig, known_options, unknown_options
from baremetal_sdk.errors import ConfigurationError

_FILES = ("cert_file", "key_file", "client_ca_file", "ca_file", "client_cert_file", "client_key_file", "roles_file")
_DRIVERS = {"postgresql": ("psycopg", "postgresql"), "mariadb": ("pymysql", "mariadb"), "mysql": ("pymysql", "mariadb")}


def check_config(config_files: Sequence[Path], *, part: str) -> int:
    """Print what is wrong for ``metald`` *part* (serve, api or conductor); give back 2 when it could not start, else 0."""
    try:
        config = ConductorConfig.load(*config_files)
    except ConfigurationError as exc:
        print(f"wrong  {exc}")
        return 2
    wrong = list(_wrong(config, part))
    for problem in wrong:
        print(f"wrong  {problem}")
    for remark in _remarks(config, config_files):
        print(f"note   {remark}")
    if not wrong:
        print(f"ok     metald {part} can be started with {', '.join(map(str, config_files)) or 'the defaults'}")
    return 2 if wrong else 0


def _wrong(config: ConductorConfig, part: str) -> Iterator[str]:
    if part != "serve":
        yield from _wrong_between_parts(config)
    yield from _wrong_database(config)
    yield from _wrong_files(config)
    yield from _wrong_keystone(config)
    if config.api.enable_ssl_api and not (config.api.cert_file and config.api.key_file):
        yield "[api] enable_ssl_api: is true, and cert_file and key_file are not both set"
    if config.rpc_transport == "json-rpc" and config.json_rpc.use_ssl and not (config.json_rpc.cert_file or part == "api"):
        yield "[json_rpc] use_ssl: is true, and cert_file and key_file of the conductor are not set"
    if config.coordination.backend_url is not None and find_spec("tooz") is None:
        yield "[coordination] backend_url: needs tooz: pip install 'baremetal-sdk[tooz]'"
    if config.conductor.heartbeat_interval * 2 > config.conductor.lease_duration * 3:
        yield (
            f"[conductor] heartbeat_interval: {config.conductor.heartbeat_interval:g} s is long beside lease_duration "
            f"({config.conductor.lease_duration:g} s): nodes would be free long before their conductor counts as dead"
        )


def _wrong_between_parts(config: ConductorConfig) -> Iterator[str]:
    if config.rpc_transport == "none":
        yield "[DEFAULT] rpc_transport: none is for one process (metald serve); set json-rpc or oslo, the same for all parts"
    if config.database.connection is None:
        yield "[database] connection: all parts use one database, and it is not named"
    if config.database.secret_key_file is None and config.database.secret_key_variable is None:
        yield "[database] secret_key_file: encrypts the credentials in the database, and is not named; all conductors have a copy"
    if config.rpc_transport == "oslo" and config.transport_url is None:
        yield "[DEFAULT] transport_url: is needed with rpc_transport oslo: rabbit://user:password@host:5672/"
    if config.rpc_transport == "oslo" and find_spec("oslo_messaging") is None:
        yield "[DEFAULT] rpc_transport: oslo needs oslo.messaging: pip install 'baremetal-sdk[oslo-messaging]'"
    if config.rpc_transport == "json-rpc" and config.json_rpc.port == 0:
        yield "[json_rpc] port: is 0, a free one, and callers would not know which"


def _wrong_database(config: ConductorConfig) -> Iterator[str]:
    url = config.database.connection
    if url is None:
        return
    backend = url.partition(":")[0].partition("+")[0]
    if backend not in ("sqlite", *_DRIVERS):
        yield "[database] connection: it begins with none of sqlite:///, postgresql+psycopg://, mariadb+pymysql://"
    elif backend in _DRIVERS and find_spec(_DRIVERS[backend][0]) is None:
        yield f"[database] connection: its driver is not installed: pip install 'baremetal-sdk[{_DRIVERS[backend][1]}]'"


def _wrong_files(config: ConductorConfig) -> Iterator[str]:
    for section in ("api", "json_rpc"):
        for option in _FILES:
            name = getattr(getattr(config, section), option, None)
            if name is not None and not os.access(name, os.R_OK):
                yield f"[{section}] {option}: {name} is not there, or this user cannot read it"
    asked: list[tuple[str, str, str]] = [(config.auth_strategy, "[DEFAULT]", config.http_basic_auth_user_file)]
    if config.rpc_transport == "json-rpc":
        asked.append((config.json_rpc.auth_strategy, "[json_rpc]", config.json_rpc.http_basic_auth_user_file))
    for strategy, section, file in asked:
        if strategy == "http_basic" and not os.access(file, os.R_OK):
            yield f"{section} http_basic_auth_user_file: {file} is not there, or this user cannot read it"


def _wrong_keystone(config: ConductorConfig) -> Iterator[str]:
    sections = {"keystone_authtoken"} if config.auth_strategy == "keystone" else set()
    if config.rpc_transport == "json-rpc" and config.json_rpc.auth_strategy == "keystone":
        sections |= {"keystone_authtoken", config.json_rpc.auth_section}
    if sections and find_spec("keystonemiddleware") is None:
        yield "auth_strategy: keystone needs keystonemiddleware: pip install 'baremetal-sdk[keystone]'"
    for section in sorted(sections):
        for option in ("auth_type", "auth_url"):
            if not config.plugins.get(section, {}).get(option):
                yield f"[{section}] {option}: is not set, and auth_strategy keystone needs it"


def _remarks(config: ConductorConfig, files: Sequence[Path]) -> Iterator[str]:
    known = known_options()
    for option in unknown_options(files):
        section, name = option[1:].split("] ")
        close = difflib.get_close_matches(name, known[section], 1)
        yield f"{option} has no meaning here and is ignored" + (f"; is {close[0]} meant?" if close else "")
    if config.auth_strategy == "noauth":
        yield "[DEFAULT] auth_strategy: is noauth: whoever reaches the API commands all machines; it listens on loopback only"
    for file in files:
        if file.exists() and file.stat().st_mode & 0o004 and _has_secrets(config):
            yield f"{file}: everybody on this machine can read it, and it has passwords in it: chmod 0640"


def _has_secrets(config: ConductorConfig) -> bool:
    database = config.database.connection or ""
    of_others = any("password" in section for section in config.plugins.values())
    return bool(config.transport_url or config.json_rpc.password or "@" in database or of_others)


def sample_config() -> int:
    """Print a configuration file with every option in it, and all of them commented out."""
    from baremetal_sdk.config_sample import sample

    sys.stdout.write(sample())
    return 0
