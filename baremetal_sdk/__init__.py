"""SDK for services that manage bare metal: an embeddable conductor with native threads, driver plugins and an HTTP API."""

from typing import TYPE_CHECKING

from baremetal_sdk.exports import lazy_exports

if TYPE_CHECKING:
    from baremetal_sdk.api.app import bare_metal_api
    from baremetal_sdk.api.server import APIServer, APIServerMixin
    from baremetal_sdk.concurrency.periodic import periodic
    from baremetal_sdk.conductor.conductor import Conductor
    from baremetal_sdk.conductor.remote import RemoteBackend
    from baremetal_sdk.config.config import ConductorConfig
    from baremetal_sdk.lifecycle import Runnable, StartPhase
    from baremetal_sdk.rpc.registry import rpc_method
else:
    __getattr__ = lazy_exports(
        __name__,
        {
            "api.app": ("bare_metal_api",),
            "api.server": ("APIServer", "APIServerMixin"),
            "conductor.conductor": ("Conductor",),
            "config.config": ("ConductorConfig",),
            "lifecycle": ("StartPhase", "Runnable"),
            "concurrency.periodic": ("periodic",),
            "conductor.remote": ("RemoteBackend",),
            "rpc.registry": ("rpc_method",),
        },
    )

__all__ = [
    "APIServer",
    "APIServerMixin",
    "Conductor",
    "ConductorConfig",
    "RemoteBackend",
    "Runnable",
    "StartPhase",
    "bare_metal_api",
    "periodic",
    "rpc_method",
]
