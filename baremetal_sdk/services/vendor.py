"""RPC methods for vendor passthru, in which clients call methods of vendor interfaces by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from concurrent.futures import Executor
from contextlib import nullcontext
from typing import Any

from baremetal_interfaces import InvalidInput, Kind, Passthru, Problem, VendorInterface
from baremetal_interfaces.faults import translate
from baremetal_interfaces.redaction import scrub_value
from baremetal_interfaces.secret_fields import collect_secret_values
from baremetal_sdk.drivers.catalog import DriverCatalog
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.services.in_background import start_background_action
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.task_manager import TaskManager


class VendorPassthru:
    """RPC service that calls the methods that a vendor interface declares. Calls with ``GET`` only read and need no lease."""

    def __init__(self, tasks: TaskManager, lane: Executor, drivers: DriverCatalog) -> None:
        self._tasks = tasks
        self._lane = lane
        self._drivers = drivers

    @rpc_method("1.0")
    def node_vendor_methods(self, node: str) -> dict[str, dict[str, Any]]:
        """Return the methods of a node's vendor interface (name -> description)."""
        return _describe(self._tasks.read_only(node).driver.vendor.passthrus)

    @rpc_method("1.0")
    def vendor_passthru(self, node: str, name: str, http_method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call method *name* of the node's vendor interface with *arguments*, as *http_method* of the request allows.

        Return ``{"background": bool, "result": value}``. A background method has the result None, and its error is stored in
        ``last_error``. Raises ``InvalidInput`` for an unknown method and for arguments that do not fit.
        """
        purpose = f"vendor passthru {name[:64]!r}"
        is_read = http_method.upper() == "GET"
        with nullcontext(self._tasks.read_only(node)) if is_read else self._tasks.acquire(node, purpose=purpose) as task:
            passthru = _find_passthru(task, name, http_method)
            task.validate(Kind.VENDOR)
            _check_arguments(getattr(task.driver.vendor, passthru.method), (task,), passthru, arguments)
            if passthru.background and not is_read:
                start_background_action(
                    task,
                    self._lane,
                    purpose,
                    lambda task: task.call_with(Kind.VENDOR, passthru.method, arguments=arguments),
                )
                return {"background": True, "result": None}
            result = task.call_with(Kind.VENDOR, passthru.method, arguments=arguments)
            # A plugin may return the response of the BMC, which can repeat the credentials of the request.
            return {"background": False, "result": scrub_value(result, task.unsealed_secrets)}

    @rpc_method("1.0")
    def driver_vendor_methods(self, driver: str) -> dict[str, dict[str, Any]]:
        """Return the methods (name -> description) of hardware type *driver* that need no node.

        Its default vendor interface declares them.
        """
        return _describe(self._default_vendor(driver).driver_passthrus)

    @rpc_method("1.0")
    def driver_vendor_passthru(self, driver: str, name: str, http_method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call method *name* that needs no node, of hardware type *driver*. Return ``{"background": False, "result": value}``."""
        vendor = self._default_vendor(driver)
        passthru = _select(vendor.driver_passthrus, name, http_method, f"hardware type {driver!r}")
        function = getattr(vendor, passthru.method)
        _check_arguments(function, (), passthru, arguments)
        try:
            return {"background": False, "result": function(**arguments)}
        except Exception as exc:
            failure = translate(exc, connector=None, endpoint=None, secrets=collect_secret_values(arguments))
        # Raised outside of the except block, so that the original exception is not its context.
        raise failure

    def _default_vendor(self, driver: str) -> VendorInterface:
        return self._drivers.compose(driver, {}).vendor


def _describe(offered: Mapping[str, Passthru]) -> dict[str, dict[str, Any]]:
    return {
        passthru.name: {
            "async": passthru.background,
            "attach": False,
            "description": passthru.description,
            "http_methods": sorted(passthru.http_methods),
            "require_exclusive_lock": not passthru.of_driver and passthru.http_methods != {"GET"},
        }
        for passthru in offered.values()
    }


def _find_passthru(task: NodeTask, name: str, http_method: str) -> Passthru:
    offered = task.driver.vendor.passthrus
    if not offered:
        # An interface without methods usually is "no-vendor", whose validation says what to set instead.
        task.validate(Kind.VENDOR)
    return _select(offered, name, http_method, f"the vendor interface {task.record.vendor_interface!r}")


def _select(offered: Mapping[str, Passthru], name: str, http_method: str, owner: str) -> Passthru:
    found = offered.get(name)
    if found is None:
        available = ", ".join(sorted(offered)) or "none"
        raise InvalidInput([Problem("method", f"{owner} has no method {name[:64]!r}", f"available are {available}")])
    if http_method.upper() not in found.http_methods:
        allowed = ", ".join(sorted(found.http_methods))
        raise InvalidInput([Problem("method", f"{name!r} does not accept {http_method}", f"use {allowed}")])
    return found


def _check_arguments(function: Any, leading: tuple[Any, ...], passthru: Passthru, arguments: Mapping[str, Any]) -> None:
    """Raise ``InvalidInput`` if *arguments* do not fit the parameters of the vendor method *function*.

    *leading* are the positional arguments that the runtime passes before them.
    """
    signature = inspect.signature(function)
    try:
        signature.bind(*leading, **arguments)
    except TypeError as exc:
        names = list(signature.parameters)[len(leading) :]
        allowed = "the method takes " + (", ".join(names) or "no arguments")
        raise InvalidInput([Problem("body", f"the arguments do not fit method {passthru.name!r}: {exc}", allowed)]) from None
