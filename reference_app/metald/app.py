"""Composition of metald from parts of the SDK: a conductor, the Bare Metal API, or both in one process."""

from __future__ import annotations

from collections.abc import Callable

from baremetal_sdk import APIServer, Conductor, ConductorConfig, RemoteBackend, bare_metal_api
from baremetal_sdk.rpc.oslo_notifications import create_notifier
from metald.observability import api_registry, create_metrics_servers, create_registry, open_tracer


def run_all_in_one(
    config: ConductorConfig, ready: Callable[[str], None], reload: Callable[[], ConductorConfig], *, sole_owner: bool = False
) -> None:
    """Serve the API and run a conductor in this process until SIGTERM or SIGINT, then drain and release the leases.

    *ready* receives the URL of the API when the server answers requests. SIGHUP calls *reload* and applies the configuration
    that it returns. *sole_owner* states that no other process uses the database; the conductor then ignores leases that a
    crash left behind.
    """
    metrics = create_registry(config)
    with open_tracer(config) as tracing:
        conductor = Conductor(config, sole_owner=sole_owner, metrics=metrics, tracing=tracing, notifier=create_notifier(config))
        server = APIServer(bare_metal_api(conductor, metrics=api_registry(config, metrics)), config.api)
        for part in (server, *create_metrics_servers(config, metrics)):
            conductor.add(part)
        conductor.run(ready=lambda: ready(server.url), reload=reload)


def run_conductor(config: ConductorConfig, ready: Callable[[], None], reload: Callable[[], ConductorConfig]) -> None:
    """Run a conductor for API processes until SIGTERM or SIGINT, then drain and release the leases.

    *ready* is called when the conductor accepts calls. SIGHUP calls *reload* and applies the configuration that it returns.
    """
    metrics = create_registry(config)
    with open_tracer(config) as tracing:
        conductor = Conductor(config, metrics=metrics, tracing=tracing, notifier=create_notifier(config))
        for part in create_metrics_servers(config, metrics):
            conductor.add(part)
        conductor.run(ready=ready, reload=reload)


def run_api(config: ConductorConfig, ready: Callable[[str], None]) -> None:
    """Serve the API for conductors in other processes until SIGTERM or SIGINT.

    *ready* receives the URL when it answers requests.
    """
    metrics = create_registry(config)
    with open_tracer(config) as tracing:
        backend = RemoteBackend(config, metrics=metrics, tracing=tracing)
        server = APIServer(bare_metal_api(backend, metrics=api_registry(config, metrics)), config.api)
        for part in create_metrics_servers(config, metrics):
            backend.add(part)
        backend.add(server)
        backend.run(ready=lambda: ready(server.url))
