"""Creation of the RPC server and the RPC client for the configured transport."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from baremetal_interfaces import Deadline
from baremetal_interfaces.addresses import parse_host
from baremetal_sdk.auth.allowed_roles import AllowedRoles
from baremetal_sdk.auth.basic import BasicAuth
from baremetal_sdk.auth.htpasswd import UserFile
from baremetal_sdk.auth.keystone import KeystoneAuth
from baremetal_sdk.auth.keystone_login import SECTION as KEYSTONE
from baremetal_sdk.auth.keystone_login import KeystoneLogin
from baremetal_sdk.auth.passwords import PasswordChecker
from baremetal_sdk.clock import Clock
from baremetal_sdk.cluster.hash_ring import LivenessSource
from baremetal_sdk.cluster.tooz_coordinator import ToozCoordinator
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.observability.telemetry import Telemetry
from baremetal_sdk.rpc.codec import Codec, MessageLimits
from baremetal_sdk.rpc.dispatcher import Dispatcher
from baremetal_sdk.rpc.handler import MessageHandler
from baremetal_sdk.rpc.json_rpc_client import Address, JSONRPCTransport, TokenProvider
from baremetal_sdk.rpc.json_rpc_server import Guard, JSONRPCServer
from baremetal_sdk.rpc.oslo_client import OsloTransport
from baremetal_sdk.rpc.oslo_server import OsloServer
from baremetal_sdk.rpc.remote import MessageTransport, RemoteClient
from baremetal_sdk.rpc.routing import LiveConductorRouter, Router
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import ConductorRecord

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class RPCServer(Protocol):
    """Server that receives RPC calls for a conductor."""

    def start(self) -> None:
        """Accept calls. Raises ``ConfigurationError`` with the option and the reason."""

    def stop(self, deadline: Deadline) -> None:
        """Reject new calls and wait for running calls until *deadline*."""


def create_codec(config: ConductorConfig) -> Codec:
    """Return a codec for RPC messages with the configured limit of their size."""
    return Codec(limits=MessageLimits(max_bytes=config.rpc_max_message_size))


def create_server(config: ConductorConfig, dispatcher: Dispatcher, clock: Clock) -> RPCServer | None:
    """Return the server for calls of other processes, not yet started. None if API and conductor share a process."""
    if config.rpc_transport == "none":
        return None
    handler = MessageHandler(dispatcher, create_codec(config), clock.monotonic)
    if config.rpc_transport == "json-rpc":
        return JSONRPCServer(handler, config.json_rpc, size=config.rpc_max_message_size, guard=_create_guard(config))
    return OsloServer(handler, config)


def create_client(
    config: ConductorConfig,
    store: Store,
    clock: Clock,
    versions: Mapping[str, str],
    *,
    router: Router | None = None,
    telemetry: Telemetry | None = None,
) -> RemoteClient:
    """Return an RPC client for conductors in other processes. By default it chooses among the live conductors in *store*.

    Raises ``ConfigurationError``, also for the transport ``none``, which cannot reach other processes.
    """
    liveness_source = _create_liveness_source(config)
    return RemoteClient(
        _create_transport(config),
        router or LiveConductorRouter(store, clock, config.conductor.heartbeat_interval, liveness_source=liveness_source),
        create_codec(config),
        versions=versions,
        timeout=config.rpc_response_timeout,
        clock=clock.monotonic,
        telemetry=telemetry,
    )


def _create_liveness_source(config: ConductorConfig) -> LivenessSource | None:
    url = config.coordination.backend_url
    return None if url is None else ToozCoordinator(url).members


def _create_guard(config: ConductorConfig) -> Guard | None:
    """Return the middleware that authenticates callers, or None for ``noauth``. In contrast to the API, no path is public."""
    json_rpc = config.json_rpc
    strategy = config.rpc_auth_strategy
    if strategy == "keystone":
        return _create_keystone_guard(config)
    if strategy == "client_certificate" and not (json_rpc.use_ssl and json_rpc.client_certificates == "required"):
        raise ConfigurationError(
            "[json_rpc] auth_strategy: not set, and client_certificate of [DEFAULT] auth_strategy needs [json_rpc] "
            "use_ssl = true and client_certificates = required; set them, or set [json_rpc] auth_strategy"
        )
    if strategy in ("noauth", "client_certificate"):
        return None
    option = "[json_rpc] auth_strategy = http_basic, http_basic_auth_user_file"
    users = UserFile(json_rpc.http_basic_auth_user_file, option=option)
    # Password checks take long. Half of the threads stay free for calls with known passwords.
    passwords = PasswordChecker(users, max_waiting=json_rpc.max_threads // 2)
    return lambda application: BasicAuth(application, users, public=(), passwords=passwords)


def _create_keystone_guard(config: ConductorConfig) -> Guard:
    options = config.plugins.get(KEYSTONE, {})
    login = KeystoneLogin(options)

    def find_own_project() -> str | None:
        return login.get_project_id(Deadline.after(config.rpc_response_timeout))

    def guard(application: WSGIApplication) -> WSGIApplication:
        return KeystoneAuth(AllowedRoles(application, config.json_rpc.allowed_roles, find_own_project), options, public=())

    return guard


def _create_token_provider(config: ConductorConfig) -> TokenProvider | None:
    if config.rpc_auth_strategy == "http_basic" and config.json_rpc.username is None:
        raise ConfigurationError(
            "[json_rpc] username, password: not set, and the conductors require http_basic ([json_rpc] auth_strategy, or else "
            "[DEFAULT] auth_strategy); set them to a user of [json_rpc] http_basic_auth_user_file"
        )
    if config.rpc_auth_strategy != "keystone":
        return None
    section = config.json_rpc.auth_section
    return KeystoneLogin(config.plugins.get(section, {}), section)


def _create_transport(config: ConductorConfig) -> MessageTransport:
    if config.rpc_transport == "json-rpc":
        address, size = _address_with(config.json_rpc.port), config.rpc_max_message_size
        return JSONRPCTransport(config.json_rpc, address, size=size, login=_create_token_provider(config))
    if config.rpc_transport == "oslo":
        return OsloTransport(config)
    raise ConfigurationError(
        "[DEFAULT] rpc_transport: none cannot reach a conductor in another process; set json-rpc or oslo on both sides"
    )


def _address_with(port: int) -> Callable[[ConductorRecord], Address]:
    """Return a function from a conductor to its address: its host name, and the port that all conductors share."""
    return lambda conductor: (_find_host(conductor.hostname), port)


def _find_host(hostname: str) -> str:
    # The name of a conductor can be an IPv6 address in brackets. Any other text fails at the name lookup.
    try:
        return parse_host(hostname)
    except ValueError:
        return hostname
