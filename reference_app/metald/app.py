"""The whole of metald as a host application: a conductor, and the Bare Metal API in front of it."""

from __future__ import annotations

from collections.abc import Callable

from baremetal_sdk import APIServer, Conductor, ConductorConfig, RemoteBackend, bare_metal_api
from baremetal_sdk.rpc.oslo_notifications import notifier
from metald.monitors import on_the_api, own_server, registry_for, tracer


def run(
    config: ConductorConfig, ready: Callable[[str], None], reload: Callable[[], ConductorConfig], *, sole_owner: bool = False
) -> None:
    """Serve until SIGTERM or SIGINT, then drain and give the leases back; take over what *reload* reads on SIGHUP.

    *ready* is told the URL once requests are answered. With *sole_owner* no other process uses the database: leases that a
    crash left behind are void at once.
    """
    metrics = registry_for(config)
    with tracer(config) as tracing:
        conductor = Conductor(config, sole_owner=sole_owner, metrics=metrics, tracing=tracing, notifier=notifier(config))
        server = APIServer(bare_metal_api(conductor, metrics=on_the_api(config, metrics)), config.api)
        for part in (server, *own_server(config, metrics)):
            conductor.add(part)
        conductor.run(ready=lambda: ready(server.url), reload=reload)


def run_conductor(config: ConductorConfig, ready: Callable[[], None], reload: Callable[[], ConductorConfig]) -> None:
    """Drive machines for APIs in other processes, until SIGTERM or SIGINT; take over what *reload* reads on SIGHUP."""
    metrics = registry_for(config)
    with tracer(config) as tracing:
        conductor = Conductor(config, metrics=metrics, tracing=tracing, notifier=notifier(config))
        for part in own_server(config, metrics):
            conductor.add(part)
        conductor.run(ready=ready, reload=reload)


def run_api(config: ConductorConfig, ready: Callable[[str], None]) -> None:
    """Serve the API for conductors in other processes, until SIGTERM or SIGINT; *ready* is told the URL."""
    metrics = registry_for(config)
    with tracer(config) as tracing:
        backend = RemoteBackend(config, metrics=metrics, tracing=tracing)
        server = APIServer(bare_metal_api(backend, metrics=on_the_api(config, metrics)), config.api)
        for part in own_server(config, metrics):
            backend.add(part)
        backend.add(server)
        backend.run(ready=lambda: ready(server.url))
