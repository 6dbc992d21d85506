"""Nodes: creating, changing, deleting and validating them."""

from __future__ import annotations

import difflib
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from baremetal_interfaces import InvalidInput, Kind, NotSupported, Problem
from baremetal_sdk import states
from baremetal_sdk.drivers.catalog import Drivers, info_types_of, interface_names
from baremetal_sdk.drivers.credentials import are_given, declared_secrets, is_secret, split
from baremetal_sdk.errors import DriverNotFound, InvalidState, NodeAssociated, NodeProtected, RevisionConflict
from baremetal_sdk.provisioning.allocation_links import delete_allocation
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.services.node_rules import dependent_changes
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.secrets import SecretBox
from baremetal_sdk.tasks.history import History
from baremetal_sdk.tasks.node_secrets import INSTANCE
from baremetal_sdk.tasks.node_task import NodeTask
from baremetal_sdk.tasks.task_manager import TaskManager

_INTERFACES = {f"{kind}_interface": str(kind) for kind in Kind}
_ATTEMPTS = 5


class Nodes:
    """The nodes of a conductor."""

    def __init__(
        self,
        store: Store,
        tasks: TaskManager,
        drivers: Drivers,
        secrets: SecretBox,
        history: History,
        *,
        allow_deleting_available: Callable[[], bool],
    ) -> None:
        self._store = store
        self._tasks = tasks
        self._drivers = drivers
        self._secrets = secrets
        self._history = history
        self._allow_deleting_available = allow_deleting_available

    @rpc_method("1.0")
    def create_node(self, values: Mapping[str, Any]) -> NodeRecord:
        """Store a new node. What is wrong with its driver and its interfaces is said at once."""
        values = dict(values)
        values.setdefault("uuid", str(uuid.uuid4()))
        driver = values.get("driver") or ""
        values.update(self._resolved(driver, values))
        values.update(self._parted(driver, values["uuid"], values.get("driver_info") or {}, {}))
        return self._store.create_node(NodeRecord(**values), fence=None)

    @rpc_method("1.0")
    def update_node(
        self, node: str, changes: Mapping[str, Any], reset_interfaces: bool = False, revision: int | None = None
    ) -> NodeRecord:
        """Change fields of a node that nobody holds; *reset_interfaces* gives it the defaults of a new driver."""
        for attempt in range(_ATTEMPTS):
            before = self._store.node(node)
            complete = self._completed(before, dict(changes), reset_interfaces)
            try:
                after = self._store.update_node(
                    node, complete, fence=None, revision=before.revision if revision is None else revision
                )
            except RevisionConflict:
                if revision is not None or attempt == _ATTEMPTS - 1:
                    raise
                continue
            if after.allocation_uuid is None:
                delete_allocation(self._store, before.allocation_uuid)
            if are_given(changes.get("driver_info") or {}, declared_secrets(self._drivers.info_types(after.driver))):
                self._tasks.reset_auth_breaker(node)
            return after
        raise AssertionError("unreachable")

    @rpc_method("1.0")
    def set_maintenance(self, node: str, maintenance: bool, reason: str | None = None) -> None:
        """Put a node in maintenance or take it out; taking it out forgets its fault."""
        changes: dict[str, Any] = {"maintenance": maintenance, "maintenance_reason": reason if maintenance else None}
        if not maintenance:
            changes["fault"] = None
        before = self._store.node(node)
        after = self._store.update_node(node, changes, fence=None)
        self._history.changed(before, after)

    @rpc_method("1.0")
    def delete_node(self, node: str) -> None:
        """Delete a node that nobody holds, uses or protects."""
        with self._tasks.acquire(node, purpose="node deletion") as task:
            self._refuse_deletion(task.record)
            task.delete_node()

    @rpc_method("1.0")
    def validate_node(self, node: str) -> dict[str, dict[str, Any]]:
        """Kind -> whether the node has what that interface needs (None: not offered), and what is wrong. It asks no BMC."""
        task = self._tasks.read_only(node)
        results = {str(kind): self._validated(task, kind) for kind in Kind}
        warning = self._unknown_options(task)
        if warning and results["power"]["result"]:
            results["power"]["reason"] = warning
        return results

    def _completed(self, before: NodeRecord, changes: dict[str, Any], reset_interfaces: bool) -> dict[str, Any]:
        driver = changes.get("driver") or before.driver
        self._refuse_association(before, changes)
        changes |= dependent_changes(before, changes)
        if driver != before.driver or any(name in changes for name in _INTERFACES):
            self._refuse_driver_change(before)
            changes.update(self._resolved(driver, self._wanted_interfaces(before, changes, driver, reset_interfaces)))
        if "driver_info" in changes:
            sealed = before.sealed_secrets
            known = self._secrets.unseal(sealed, before.uuid) if sealed else {}
            changes.update(self._parted(driver, before.uuid, changes["driver_info"] or {}, known))
        if changes.get("maintenance") is False:
            changes |= {"maintenance_reason": None, "fault": None}
        return changes

    def _wanted_interfaces(self, before: NodeRecord, changes: Mapping[str, Any], driver: str, reset: bool) -> dict[str, Any]:
        """What the node names: the changes, and what it had unless that is to be reset or a new driver has no such thing."""
        kept: Mapping[str, Any] = {} if reset else {f"{kind}_interface": name for kind, name in interface_names(before).items()}
        return {name: changes.get(name, kept.get(name)) for name in _INTERFACES}

    def _resolved(self, driver: str, values: Mapping[str, Any]) -> dict[str, str]:
        try:
            chosen = self._drivers.resolve(driver, {kind: values.get(name) for name, kind in _INTERFACES.items()})
        except DriverNotFound as exc:
            raise InvalidInput(exc.message) from None
        return {f"{kind}_interface": name for kind, name in chosen.items()}

    def _parted(self, driver: str, node: str, info: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, Any]:
        shown, secrets = split(info, declared_secrets(self._drivers.info_types(driver)), known)
        secrets |= {name: value for name, value in known.items() if name.startswith(INSTANCE)}
        return {"driver_info": shown, "sealed_secrets": self._secrets.seal(secrets, node) if secrets else None}

    def _refuse_association(self, before: NodeRecord, changes: Mapping[str, Any]) -> None:
        wanted = changes.get("instance_uuid")
        if wanted and before.instance_uuid and wanted != before.instance_uuid:
            raise NodeAssociated(f"instance_uuid: node {before.uuid} carries instance {before.instance_uuid}; remove it first")

    def _refuse_driver_change(self, before: NodeRecord) -> None:
        if before.provision_state in states.WORKING | states.WAITING:
            raise InvalidState(
                f"the driver and the interfaces of node {before.uuid} cannot be changed while it is {before.provision_state!r}"
            )

    def _refuse_deletion(self, record: NodeRecord) -> None:
        if record.protected:
            raise NodeProtected(
                f"node {record.uuid} is protected: {record.protected_reason or 'no reason given'}; unset 'protected' first"
            )
        if record.maintenance:
            return
        if record.instance_uuid is not None:
            raise NodeAssociated(f"node {record.uuid} carries instance {record.instance_uuid}; undeploy it first")
        allowed = states.DELETE_ALLOWED | ({states.AVAILABLE} if self._allow_deleting_available() else set())
        if record.provision_state not in allowed:
            names = ", ".join(sorted(allowed))
            raise InvalidState(
                f"node {record.uuid} is {record.provision_state!r}; it can be deleted when it is {names}, or in maintenance"
            )

    def _validated(self, task: NodeTask, kind: Kind) -> dict[str, Any]:
        try:
            problems = task.problems(kind)
        except NotSupported as exc:
            return {"result": None, "reason": exc.message}
        except Exception as exc:
            return {"result": False, "reason": str(exc)}
        return {"result": not problems, "reason": ". ".join(problems) or None}

    def _unknown_options(self, task: NodeTask) -> str:
        """A warning about options that no interface of the node reads: a typing error, mostly."""
        known = {option.name for info_type in info_types_of(one for _, one in task.driver) for option in info_type.options()}
        others = {option.name for info_type in self._drivers.info_types(task.record.driver) for option in info_type.options()}
        unknown = sorted(name for name in task.record.driver_info if name not in known | others)
        problems = [Problem(f"driver_info/{name}", "no interface of this node reads it", _meant(name, known)) for name in unknown]
        return ". ".join(map(str, problems))


def _meant(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"did you mean {close[0]}?" if close and not is_secret(name) else ""
