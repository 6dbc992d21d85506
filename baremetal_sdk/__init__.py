"""A conductor for bare metal that lives inside any service: on native threads, driven through published interfaces."""

from baremetal_sdk.api.app import bare_metal_api
from baremetal_sdk.api.server import APIServer, APIServerMixin
from baremetal_sdk.conductor import Conductor
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.periodic import periodic
from baremetal_sdk.remote import RemoteBackend
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.runnable import Phase, Runnable

__all__ = [
    "APIServer",
    "APIServerMixin",
    "Conductor",
    "ConductorConfig",
    "Phase",
    "RemoteBackend",
    "Runnable",
    "bare_metal_api",
    "periodic",
    "rpc_method",
]
