"""Connection of the rule engine to the store: applies the stored inspection rules to the results of an inspection."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from baremetal_sdk.drivers.catalog import DriverCatalog
from baremetal_sdk.drivers.credentials import collect_secret_names, split_secrets
from baremetal_sdk.inspection_rules import engine
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.policy import InspectionRuleRecord
from baremetal_sdk.store.records.query import Query
from baremetal_sdk.store.secrets import SecretBox
from baremetal_sdk.tasks.node_secrets import INSTANCE
from baremetal_sdk.tasks.node_task import NodeTask


class InspectionRules:
    """The stored inspection rules. Those of higher priority run first, those of equal priority in the order of creation."""

    def __init__(self, store: Store, drivers: DriverCatalog, secrets: SecretBox) -> None:
        self._store = store
        self._drivers = drivers
        self._secrets = secrets

    def apply(
        self, task: NodeTask, properties: Mapping[str, Any], inventory: Mapping[str, Any], plugin_data: dict[str, Any]
    ) -> dict[str, Any]:
        """Run the rules on the results of the inspection of the task's node.

        Write changed ports to the store, and change *plugin_data* in place. Return the changes of the node's record, its
        properties included; the caller writes them. *properties* are the node's properties with the results of the
        inspection. Raises ``DriverError`` if a rule fails the inspection.
        """
        rows = self._store.records(InspectionRuleRecord, Query(where={"phase": "main"}))
        rules = sorted((InspectionRuleRecord(**row) for row in rows), key=lambda rule: -rule.priority)
        if not rules:
            return {"properties": properties}
        node = {name: copy.deepcopy(getattr(task.record, name)) for name in engine.READABLE}
        node |= {"properties": dict(properties), "traits": list(task.record.traits)}
        findings = engine.InspectionData(node, inventory, plugin_data, self._ports(task))
        engine.apply_rules(rules, findings)
        self._store_ports(task, findings)
        changes = {"properties": node["properties"], **findings.changes()}
        if "driver_info" in changes:
            changes |= self._seal_driver_info(task.record, changes["driver_info"])
        return changes

    def _ports(self, task: NodeTask) -> dict[str, dict[str, Any]]:
        """Return the node's ports by UUID and by address. Both keys of a port share one dictionary."""
        found: dict[str, dict[str, Any]] = {}
        for row in self._store.ports(Query(where={"node_uuid": task.record.uuid})):
            found[row["uuid"]] = found[row["address"]] = dict(row)
        return found

    def _store_ports(self, task: NodeTask, findings: engine.InspectionData) -> None:
        assert task.lease is not None
        for uuid, names in findings.changed_ports.items():
            changes = {name: findings.ports[uuid][name] for name in names}
            self._store.update_port(uuid, changes, fence=task.lease.fence)

    def _seal_driver_info(self, record: NodeRecord, info: Mapping[str, Any]) -> dict[str, Any]:
        """Return the changes of the node's record for ``driver_info`` *info*: masks in place of its secrets, and these sealed."""
        known = self._secrets.unseal(record.sealed_secrets, record.uuid) if record.sealed_secrets else {}
        shown, secrets = split_secrets(info, collect_secret_names(self._drivers.list_info_types(record.driver)), known)
        # The sealed column also has the secrets of the instance, which are not in driver_info and must survive.
        secrets |= {name: value for name, value in known.items() if name.startswith(INSTANCE)}
        sealed = self._secrets.seal(secrets, record.uuid) if secrets else None
        return {"driver_info": shown, "sealed_secrets": sealed}
