"""Methods of vendor interfaces, called by their names."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from concurrent.futures import Executor
from contextlib import nullcontext
from typing import Any

from baremetal_interfaces import InvalidInput, Kind, NotSupported, Passthru, Problem, VendorInterface
from baremetal_sdk.drivers import Drivers
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.services.background import in_background
from baremetal_sdk.task import NodeTask
from baremetal_sdk.tasks import Tasks


class VendorPassthru:
    """What is offered is what a vendor interface declares, and nothing more. A ``GET`` reads, and takes no lease."""

    def __init__(self, tasks: Tasks, lane: Executor, drivers: Drivers) -> None:
        self._tasks = tasks
        self._lane = lane
        self._drivers = drivers

    @rpc_method("1.0")
    def node_vendor_methods(self, node: str) -> dict[str, dict[str, Any]]:
        """Name -> what clients have to know of a method."""
        return _described(self._tasks.look(node).driver.vendor)

    @rpc_method("1.0")
    def vendor_passthru(self, node: str, name: str, http_method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call a method: ``{"background": bool, "result": value}``; in the background there is no result."""
        purpose = f"vendor passthru {name[:64]!r}"
        reads = http_method.upper() == "GET"
        with nullcontext(self._tasks.look(node)) if reads else self._tasks.acquire(node, purpose=purpose) as task:
            called = _found(task, name, http_method)
            task.validate(Kind.VENDOR)
            _check_arguments(task, called, arguments)
            if called.background and not reads:
                work = lambda task: task.call(Kind.VENDOR, called.method, **arguments)  # noqa: E731
                in_background(task, self._lane, purpose, work)
                return {"background": True, "result": None}
            return {"background": False, "result": task.call(Kind.VENDOR, called.method, **arguments)}

    @rpc_method("1.0")
    def driver_vendor_methods(self, driver: str) -> dict[str, dict[str, Any]]:
        """The methods that a hardware type has without a node: the contract knows none, so there are none."""
        self._drivers.hardware_type(driver)
        return {}

    @rpc_method("1.0")
    def driver_vendor_passthru(self, driver: str, name: str, http_method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call a method of a hardware type: there is none to call."""
        self._drivers.hardware_type(driver)
        wrong = f"hardware type {driver!r} has no method {name[:64]!r} that needs no node"
        raise InvalidInput([Problem("method", wrong, "methods of nodes are called through nodes/NODE/vendor_passthru")])


def _described(vendor: VendorInterface) -> dict[str, dict[str, Any]]:
    return {
        one.name: {
            "async": one.background,
            "attach": False,
            "description": one.description,
            "http_methods": sorted(one.http_methods),
            "require_exclusive_lock": one.http_methods != {"GET"},
        }
        for one in vendor.passthrus.values()
    }


def _found(task: NodeTask, name: str, http_method: str) -> Passthru:
    offered = task.driver.vendor.passthrus
    found = offered.get(name)
    if found is None:
        if not offered:
            task.validate(Kind.VENDOR)
        wrong = f"the vendor interface {task.record.vendor_interface!r} has no method {name[:64]!r}"
        raise InvalidInput([Problem("method", wrong, "there are: " + (", ".join(sorted(offered)) or "none"))])
    if http_method.upper() not in found.http_methods:
        allowed = ", ".join(sorted(found.http_methods))
        raise InvalidInput([Problem("method", f"{name!r} is not called with {http_method}", f"it is called with {allowed}")])
    return found


def _check_arguments(task: NodeTask, called: Passthru, arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that the method does not take, before anything is begun."""
    if "timeout" in arguments:
        raise NotSupported("timeout: an argument of this name cannot be handed to a vendor's method")
    signature = inspect.signature(getattr(task.driver.vendor, called.method))
    try:
        signature.bind(task, **arguments)
    except TypeError as exc:
        names = [name for name in list(signature.parameters)[1:]]
        allowed = "it takes " + (", ".join(names) or "none")
        raise InvalidInput([Problem("body", f"the arguments of {called.name!r} are not right: {exc}", allowed)]) from None
