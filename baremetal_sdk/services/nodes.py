"""RPC methods for nodes: creation, changes, maintenance, deletion and validation."""

from __future__ import annotations

import difflib
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from baremetal_interfaces import BareMetalError, InvalidInput, Kind, NotSupported, Problem
from baremetal_sdk.drivers.catalog import DriverCatalog, collect_info_types, get_interface_names
from baremetal_sdk.drivers.credentials import collect_secret_names, has_new_secret, is_secret, split_secrets
from baremetal_sdk.drivers.shared_machines import FIELDS, find_machine_address, find_nodes_of_machine
from baremetal_sdk.errors import ConfigurationError, DriverNotFound, LeaseLost
from baremetal_sdk.logs import get_logger
from baremetal_sdk.provisioning.allocation_links import delete_allocation
from baremetal_sdk.rpc.argument_types import check_fields
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.services.node_rules import dependent_changes
from baremetal_sdk.store.large_values import delete_replaced
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import INTERFACE_FIELDS, NodeRecord
from baremetal_sdk.store.records.query import NodeQuery
from baremetal_sdk.store.revisions import retry_on_revision_conflict
from baremetal_sdk.store.secrets import SecretBox
from baremetal_sdk.tasks.history import History
from baremetal_sdk.tasks.node_secrets import INSTANCE
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.task_manager import TaskManager
from baremetal_sdk.update_rules.rules import Change
from baremetal_sdk.update_rules.table import DELETING_AVAILABLE, NODE_DELETE, NODE_UPDATE

LOG = get_logger(__name__)
_INTERFACES = {field: str(kind) for kind, field in INTERFACE_FIELDS.items()}


class Nodes:
    """RPC service that creates, changes, deletes and validates nodes.

    *allow_deleting_available* returns whether nodes in the state ``available`` may be deleted.
    """

    def __init__(
        self,
        store: Store,
        tasks: TaskManager,
        drivers: DriverCatalog,
        secrets: SecretBox,
        history: History,
        *,
        allow_deleting_available: Callable[[], bool],
        forget_calls: Callable[[str], None],
    ) -> None:
        self._store = store
        self._tasks = tasks
        self._drivers = drivers
        self._secrets = secrets
        self._history = history
        self._allow_deleting_available = allow_deleting_available
        self._forget_calls = forget_calls

    @rpc_method("1.0")
    def create_node(self, values: Mapping[str, Any]) -> NodeRecord:
        """Store a new node with the fields *values* and return it. Its secrets are sealed and masked.

        Interfaces that *values* lack get the defaults of the driver. Raises ``InvalidInput`` if the driver is unknown or an
        interface does not fit it.
        """
        check_fields(NodeRecord, values, complete=True)
        values = dict(values)
        values.setdefault("uuid", str(uuid.uuid4()))
        driver = values.get("driver") or ""
        values.update(self._resolve_interfaces(driver, values))
        values.update(self._seal_driver_info(driver, values["uuid"], values.get("driver_info") or {}, {}))
        return self._store.create_node(NodeRecord(**values), fence=None)

    @rpc_method("1.0")
    def update_node(
        self, node: str, changes: Mapping[str, Any], reset_interfaces: bool = False, revision: int | None = None
    ) -> NodeRecord:
        """Change fields of a node and return it. Raises ``NodeLocked`` while a task holds it.

        If *changes* have another driver, *reset_interfaces* replaces all interfaces that *changes* lack by the defaults of that
        driver. Raises ``InvalidInput`` for *reset_interfaces* without a driver in *changes*, and ``RevisionConflict`` if
        *revision* is given and the node has another one.
        """
        check_fields(NodeRecord, changes)
        if reset_interfaces and "driver" not in changes:
            raise InvalidInput(
                [Problem("reset_interfaces", "is only allowed if the driver changes", "change driver, or leave it out")]
            )

        def update() -> tuple[NodeRecord, NodeRecord]:
            before = self._store.node(node)
            complete = self._complete_changes(before, dict(changes), reset_interfaces)
            expected = before.revision if revision is None else revision
            return before, self._store.update_node(node, complete, fence=None, revision=expected)

        # A conflict with the client's own revision is the client's to resolve, so it is not retried.
        before, after = update() if revision is not None else retry_on_revision_conflict(update)
        delete_replaced(self._store, before, after.instance_info)
        if after.allocation_uuid is None:
            delete_allocation(self._store, before.allocation_uuid)
        if has_new_secret(changes.get("driver_info") or {}, collect_secret_names(self._drivers.list_info_types(after.driver))):
            self._tasks.reset_auth_breaker(node)
        return after

    @rpc_method("1.0")
    def set_maintenance(self, node: str, maintenance: bool, reason: str | None = None) -> None:
        """Put a node in maintenance with *reason*, or end its maintenance and clear reason and fault.

        Raises ``NodeLocked`` while a task holds the node.
        """
        changes: dict[str, Any] = {"maintenance": maintenance, "maintenance_reason": reason if maintenance else None}
        if not maintenance:
            changes["fault"] = None
        before = self._store.node(node)
        after = self._store.update_node(node, changes, fence=None)
        self._history.record_change(before, after)

    @rpc_method("1.0")
    def delete_node(self, node: str) -> None:
        """Delete a node and stop its console. Raises ``NodeLocked`` while a task holds it, and other errors if it is in use."""
        with self._tasks.acquire(node, purpose="node deletion") as task:
            self._refuse_deletion(task.record)
            _stop_console(task)
            task.delete_node()
        self._forget_calls(task.record.uuid)

    @rpc_method("1.0")
    def validate_node(self, node: str) -> dict[str, dict[str, Any]]:
        """Validate the node's settings for each of its interfaces, without requests to a BMC.

        Return for each kind of interface its ``result`` (None: the node has no such interface) and the ``reason`` of a negative
        result. Warnings about unknown options and about other nodes with the same machine are the ``reason`` of a positive
        result of ``power``.
        """
        task = self._tasks.read_only(node)
        results = {str(kind): self._validate_interface(task, kind) for kind in Kind}
        warnings = [*self._find_unknown_options(task), *self._find_nodes_of_same_machine(task.record)]
        # Clients know no place for warnings, so these are the reason of a positive result.
        if warnings and results["power"]["result"]:
            results["power"]["reason"] = ". ".join(warnings)
        return results

    def _complete_changes(self, before: NodeRecord, changes: dict[str, Any], reset_interfaces: bool) -> dict[str, Any]:
        """Check that a client's changes are allowed, and return them with all additional changes that they require.

        These are, for example, interfaces of a new driver, and masks in place of secrets.
        """
        driver = changes.get("driver") or before.driver
        NODE_UPDATE.check(Change(node=before, values=_select_different(before, changes)))
        changes |= dependent_changes(before, changes)
        if driver != before.driver or any(name in changes for name in _INTERFACES):
            interfaces = self._select_interfaces(before, changes, reset=reset_interfaces and driver != before.driver)
            changes.update(self._resolve_interfaces(driver, interfaces))
        if "driver_info" in changes:
            known = self._unseal(before)
            changes.update(self._seal_driver_info(driver, before.uuid, changes["driver_info"] or {}, known))
        if changes.get("maintenance") is False:
            changes |= {"maintenance_reason": None, "fault": None}
        return changes

    def _select_interfaces(self, before: NodeRecord, changes: Mapping[str, Any], *, reset: bool) -> dict[str, Any]:
        """Return the interface names (field -> name) that the node selects after *changes*.

        Fields that *changes* lack have the present names, or None with *reset*.
        """
        kept: Mapping[str, Any] = (
            {} if reset else {f"{kind}_interface": name for kind, name in get_interface_names(before).items()}
        )
        return {name: changes.get(name, kept.get(name)) for name in _INTERFACES}

    def _resolve_interfaces(self, driver: str, values: Mapping[str, Any]) -> dict[str, str]:
        """Return an interface name for each kind (field -> name): the name in *values*, or the default of the driver.

        Raises ``InvalidInput`` if the driver is unknown or a name does not fit it.
        """
        try:
            chosen = self._drivers.resolve(driver, {kind: values.get(name) for name, kind in _INTERFACES.items()})
        except DriverNotFound as exc:
            raise InvalidInput(exc.message) from None
        return {f"{kind}_interface": name for kind, name in chosen.items()}

    def _seal_driver_info(self, driver: str, node: str, info: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, Any]:
        """Return the changes of the node's record for ``driver_info`` *info*: masks in place of its secrets, and these sealed.

        *known* are the node's present secrets. A mask in *info* keeps the present value.
        """
        shown, secrets = split_secrets(info, collect_secret_names(self._drivers.list_info_types(driver)), known)
        # The sealed column also has the secrets of the instance, which are not in driver_info and must survive.
        secrets |= {name: value for name, value in known.items() if name.startswith(INSTANCE)}
        return {"driver_info": shown, "sealed_secrets": self._secrets.seal(secrets, node) if secrets else None}

    def _unseal(self, node: NodeRecord) -> Mapping[str, str]:
        """Return the node's present secrets. Empty if their key is lost, so that a client can set new ones."""
        try:
            return self._secrets.unseal(node.sealed_secrets, node.uuid) if node.sealed_secrets else {}
        except ConfigurationError as exc:
            LOG.warning("%s", exc)
            return {}

    def _refuse_deletion(self, record: NodeRecord) -> None:
        circumstances = frozenset({DELETING_AVAILABLE}) if self._allow_deleting_available() else frozenset()
        NODE_DELETE.check(Change(node=record, circumstances=circumstances))

    def _validate_interface(self, task: NodeTask, kind: Kind) -> dict[str, Any]:
        try:
            problems = task.problems(kind)
        except NotSupported as exc:
            return {"result": None, "reason": exc.message}
        except Exception as exc:
            return {"result": False, "reason": str(exc)}
        return {"result": not problems, "reason": ". ".join(problems) or None}

    def _find_nodes_of_same_machine(self, node: NodeRecord) -> Iterator[str]:
        """Yield a warning for each other node that manages the machine of *node*. Nodes of other owners are not named."""
        address = find_machine_address(self._drivers, node.driver, node.driver_info)
        if address is None:
            return
        for other in find_nodes_of_machine(self._drivers, address, self._store.nodes(NodeQuery(fields=FIELDS))):
            if other["uuid"] != node.uuid:
                label = f"node {other['name'] or other['uuid']}" if other["owner"] == node.owner else "a node of another owner"
                yield f"driver_info: {label} manages the same machine, {address}; correct or delete one of the nodes"

    def _find_unknown_options(self, task: NodeTask) -> list[str]:
        """Return a warning for each unknown option in ``driver_info``, with similar names."""
        info_types = collect_info_types(interface for _, interface in task.driver)
        read = {option.name for info_type in info_types for option in info_type.options()}
        # Options of the driver's other implementations are no errors: the node may use another one at another time.
        others = {
            option.name for info_type in self._drivers.list_info_types(task.record.driver) for option in info_type.options()
        }
        unknown = sorted(name for name in task.record.driver_info if name not in read | others)
        wrong = "no interface of this node reads it"
        return [str(Problem(f"driver_info/{name}", wrong, _suggest(name, read))) for name in unknown]


def _select_different(before: NodeRecord, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of *changes* whose values differ from the present ones."""
    return {name: value for name, value in changes.items() if value != getattr(before, name)}


def _stop_console(task: NodeTask) -> None:
    """Stop the node's console if it is started. An error is logged: the machine may be gone, and the node as well."""
    if not task.record.console_enabled:
        return
    try:
        task.call(Kind.CONSOLE, "stop_console")
    except LeaseLost:
        raise
    except BareMetalError as exc:
        task.log.warning("the console could not be stopped before the deletion of the node: %s", exc)


def _suggest(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"did you mean {close[0]}?" if close and not is_secret(name) else ""
