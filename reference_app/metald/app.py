"""The whole of metald as a host application: a conductor, and the Bare Metal API in front of it."""

from __future__ import annotations

from collections.abc import Callable

from baremetal_sdk import APIServer, Conductor, ConductorConfig, RemoteBackend, bare_metal_api


def run(
    config: ConductorConfig, ready: Callable[[str], None], reload: Callable[[], ConductorConfig], *, sole_owner: bool = False
) -> None:
    """Serve until SIGTERM or SIGINT, then drain and give the leases back; take over what *reload* reads on SIGHUP.

    *ready* is told the URL once requests are answered. With *sole_owner* no other process uses the database: leases that a
    crash left behind are void at once.
    """
    conductor = Conductor(config, sole_owner=sole_owner)
    server = APIServer(bare_metal_api(conductor), config.api)
    conductor.add(server)
    conductor.run(ready=lambda: ready(server.url), reload=reload)


def run_conductor(config: ConductorConfig, ready: Callable[[], None], reload: Callable[[], ConductorConfig]) -> None:
    """Drive machines for APIs in other processes, until SIGTERM or SIGINT; take over what *reload* reads on SIGHUP."""
    Conductor(config).run(ready=ready, reload=reload)


def run_api(config: ConductorConfig, ready: Callable[[str], None]) -> None:
    """Serve the API for conductors in other processes, until SIGTERM or SIGINT; *ready* is told the URL."""
    backend = RemoteBackend(config)
    server = APIServer(bare_metal_api(backend), config.api)
    backend.add(server)
    backend.run(ready=lambda: ready(server.url))
