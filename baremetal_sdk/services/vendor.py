"""Methods of vendor interfaces, called by their names."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from concurrent.futures import Executor
from contextlib import nullcontext
from typing import Any

from baremetal_interfaces import InvalidInput, Kind, Passthru, Problem, VendorInterface
from baremetal_interfaces.faults import translate
from baremetal_sdk.drivers.catalog import Drivers
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.services.in_background import start_background_action
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.task_manager import TaskManager


class VendorPassthru:
    """What is offered is what a vendor interface declares, and nothing more. A ``GET`` reads, and takes no lease."""

    def __init__(self, tasks: TaskManager, lane: Executor, drivers: Drivers) -> None:
        self._tasks = tasks
        self._lane = lane
        self._drivers = drivers

    @rpc_method("1.0")
    def node_vendor_methods(self, node: str) -> dict[str, dict[str, Any]]:
        """Name -> what clients have to know of a method."""
        return _described(self._tasks.read_only(node).driver.vendor.passthrus)

    @rpc_method("1.0")
    def vendor_passthru(self, node: str, name: str, http_method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call a method: ``{"background": bool, "result": value}``; in the background there is no result."""
        purpose = f"vendor passthru {name[:64]!r}"
        reads = http_method.upper() == "GET"
        with nullcontext(self._tasks.read_only(node)) if reads else self._tasks.acquire(node, purpose=purpose) as task:
            called = _found(task, name, http_method)
            task.validate(Kind.VENDOR)
            _check_arguments(getattr(task.driver.vendor, called.method), (task,), called, arguments)
            if called.background and not reads:
                work = lambda task: task.call_with(Kind.VENDOR, called.method, arguments=arguments)  # noqa: E731
                start_background_action(task, self._lane, purpose, work)
                return {"background": True, "result": None}
            return {"background": False, "result": task.call_with(Kind.VENDOR, called.method, arguments=arguments)}

    @rpc_method("1.0")
    def driver_vendor_methods(self, driver: str) -> dict[str, dict[str, Any]]:
        """The methods of a hardware type that need no node: those of its default vendor interface."""
        return _described(self._vendor_of(driver).driver_passthrus)

    @rpc_method("1.0")
    def driver_vendor_passthru(self, driver: str, name: str, http_method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call a method of a hardware type; the client waits for its result."""
        vendor = self._vendor_of(driver)
        called = _offered(vendor.driver_passthrus, name, http_method, f"hardware type {driver!r}")
        function = getattr(vendor, called.method)
        _check_arguments(function, (), called, arguments)
        try:
            return {"background": False, "result": function(**arguments)}
        except Exception as exc:
            failure = translate(exc, connector=None, endpoint=None, secrets=())
        raise failure

    def _vendor_of(self, driver: str) -> VendorInterface:
        return self._drivers.compose(driver, {}).vendor


def _described(offered: Mapping[str, Passthru]) -> dict[str, dict[str, Any]]:
    return {
        one.name: {
            "async": one.background,
            "attach": False,
            "description": one.description,
            "http_methods": sorted(one.http_methods),
            "require_exclusive_lock": not one.of_driver and one.http_methods != {"GET"},
        }
        for one in offered.values()
    }


def _found(task: NodeTask, name: str, http_method: str) -> Passthru:
    offered = task.driver.vendor.passthrus
    if name not in offered and not offered:
        task.validate(Kind.VENDOR)
    return _offered(offered, name, http_method, f"the vendor interface {task.record.vendor_interface!r}")


def _offered(offered: Mapping[str, Passthru], name: str, http_method: str, whose: str) -> Passthru:
    found = offered.get(name)
    if found is None:
        there = ", ".join(sorted(offered)) or "none"
        raise InvalidInput([Problem("method", f"{whose} has no method {name[:64]!r}", f"there are: {there}")])
    if http_method.upper() not in found.http_methods:
        allowed = ", ".join(sorted(found.http_methods))
        raise InvalidInput([Problem("method", f"{name!r} is not called with {http_method}", f"it is called with {allowed}")])
    return found


def _check_arguments(function: Any, before: tuple[Any, ...], called: Passthru, arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that the method does not take, before anything is begun."""
    signature = inspect.signature(function)
    try:
        signature.bind(*before, **arguments)
    except TypeError as exc:
        names = list(signature.parameters)[len(before) :]
        allowed = "it takes " + (", ".join(names) or "none")
        raise InvalidInput([Problem("body", f"the arguments of {called.name!r} are not right: {exc}", allowed)]) from None
