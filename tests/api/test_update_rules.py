"""The update rules as clients meet them: the state of the node and its lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from baremetal_sdk.update_rules import table
from baremetal_sdk.update_rules.rules import OperationRules
from tests.api.machines import N1, MachineAPITestCase
from tests.fixtures.api import APIResponse

UNKNOWN_UUID = "99999999-9999-4999-8999-999999999999"
ADDRESS = "52:54:00:aa:bb:01"


class UpdateRulesCase(MachineAPITestCase):
    def create(self, path: str, **values: Any) -> str:
        """Create a record and return its path."""
        response = self.request("POST", f"/v1/{path}", values)
        self.assertEqual(201, response.status, response.raw)
        return f"/v1/{path}/{response.json['uuid']}"

    def create_port(self) -> str:
        return self.create("ports", node_uuid=self.uuid, address=ADDRESS)

    def enter(self, state: str, **changes: Any) -> None:
        """Write the provision state of the node, as if its work had led there."""
        self.runtime.store.update_node(self.uuid, {"provision_state": state, **changes}, fence=None)


class TestStates(UpdateRulesCase):
    def test_identity_of_an_active_node_is_fixed(self) -> None:
        """Interfaces, the resource class and addresses of ports cannot change under an instance."""
        port = self.create_port()
        self.change(resource_class="gold")
        self.run_verbs("manage", "provide", "active")
        for path, name, value in (
            (N1, "resource_class", "silver"),
            (N1, "deploy_interface", "fake-bmc"),
            (N1, "network_interface", "fake"),
            (port, "address", "52:54:00:aa:bb:02"),
            (port, "pxe_enabled", False),
        ):
            before = self.get(path)
            self.assert_refused(self.patch(path, ("replace", f"/{name}", value)), 409, name.partition("_")[0])
            self.assertEqual(before, self.get(path), name)
        self.assertEqual(200, self.patch(N1, ("add", "/extra/a", 1), ("add", "/description", "x")).status)

    def test_node_in_transition_cannot_be_patched(self) -> None:
        """The refusal does not depend on the values of the patch, and maintenance does not lift it."""
        self.enter("clean wait", target_provision_state="available")
        for operation in (("add", "/extra/a", 1), ("replace", "/automated_clean", "nonsense"), ("replace", "/name", "m1")):
            self.assert_refused(self.patch(N1, operation), 409, "while a state transition is in progress")
        self.enter("clean wait", maintenance=True, instance_uuid=UNKNOWN_UUID)
        self.assert_refused(self.patch(N1, ("add", "/extra/a", 1)), 409, "while a state transition is in progress")
        self.assertEqual(200, self.patch(N1, ("remove", "/instance_uuid")).status)
        self.enter("inspect wait", target_provision_state="manageable", maintenance=False)
        self.assertEqual(200, self.patch(N1, ("add", "/extra/a", 1)).status)

    def test_updates_during_inspection_depend_on_the_microversion(self) -> None:
        """Clients before 1.39 see inspect wait as inspecting, and may update in it."""
        paths = (N1, self.create_port(), self.create("portgroups", node_uuid=self.uuid))
        self.enter("inspecting", target_provision_state="manageable")
        for path in paths:
            self.assert_refused(self.patch(path, ("add", "/extra/a", 1), version="1.39"), 409, "inspecting")
            self.assertEqual(200, self.patch(path, ("add", "/extra/a", 1), version="1.38").status, path)

    def test_refused_verb_leaves_the_node_unchanged(self) -> None:
        """Whether the state, an interface or the steps refuse it, ``last_error`` and all other fields stay."""
        self.run_verbs("manage")
        before = self.record()
        for body in (
            {"target": "clean", "clean_steps": [{"interface": "deploy", "step": "nonsense"}]},
            {"target": "rebuild"},
            {"target": "rescue", "rescue_password": "x"},
        ):
            self.call_node("PUT", "states/provision", body, status=400)
            after = self.record()
            self.assertEqual((before.revision, before.last_error), (after.revision, after.last_error), body)


class TestLock(UpdateRulesCase):
    def _attempts(self) -> dict[OperationRules, Callable[[], APIResponse]]:
        """Return a request for each operation. Each is a change, so that it needs what the operation needs."""
        port = self.create_port()
        group = self.create("portgroups", node_uuid=self.uuid)
        chassis = self.create("chassis")
        connector = self.create("volume/connectors", node_uuid=self.uuid, type="iqn", connector_id="c1")
        target = self.create("volume/targets", node_uuid=self.uuid, volume_type="iscsi", volume_id="v", boot_index=0)
        self.change(resource_class="gold")
        self.run_verbs("manage", "provide")
        allocation = self.create("allocations", resource_class="gold", name="a1")
        self.record()
        extra = ("add", "/extra/a", 1)

        def post(path: str, **values: Any) -> Callable[[], APIResponse]:
            return lambda: self.request("POST", f"/v1/{path}", {"node_uuid": self.uuid, **values})

        return {
            table.NODE_UPDATE: lambda: self.patch(N1, extra),
            table.NODE_DELETE: lambda: self.request("DELETE", N1),
            table.PORT_CREATE: post("ports", address="52:54:00:aa:bb:09"),
            table.PORT_UPDATE: lambda: self.patch(port, extra),
            table.PORT_DELETE: lambda: self.request("DELETE", port),
            table.PORTGROUP_CREATE: post("portgroups", name="g2"),
            table.PORTGROUP_UPDATE: lambda: self.patch(group, extra),
            table.PORTGROUP_DELETE: lambda: self.request("DELETE", group),
            table.CHASSIS_UPDATE: lambda: self.patch(chassis, extra),
            table.CHASSIS_DELETE: lambda: self.request("DELETE", chassis),
            table.CONNECTOR_CREATE: post("volume/connectors", type="iqn", connector_id="c2"),
            table.CONNECTOR_UPDATE: lambda: self.patch(connector, extra),
            table.CONNECTOR_DELETE: lambda: self.request("DELETE", connector),
            table.TARGET_CREATE: post("volume/targets", volume_type="iscsi", volume_id="v2", boot_index=1),
            table.TARGET_UPDATE: lambda: self.patch(target, extra),
            table.TARGET_DELETE: lambda: self.request("DELETE", target),
            table.TRAITS_UPDATE: lambda: self.request_node("PUT", "traits/CUSTOM_X"),
            table.ALLOCATION_UPDATE: lambda: self.patch(allocation, extra),
            table.ALLOCATION_DELETE: lambda: self.request("DELETE", allocation),
            table.VIF_ATTACH: lambda: self.request_node("POST", "vifs", {"id": "v1"}),
            table.VIF_DETACH: lambda: self.request_node("DELETE", "vifs/v1"),
        }

    def test_lock_refuses_the_operations_of_the_table(self) -> None:
        """While a task holds the node, an operation gets NodeLocked if the table says so, and succeeds otherwise."""
        attempts = self._attempts()
        self.assertEqual(set(table.OPERATIONS), set(attempts))
        with self.runtime.components.tasks.acquire(self.uuid, purpose="test"):
            for operation, attempt in attempts.items():
                response = attempt()
                name = f"{operation.resource}: {operation.name}"
                if operation.needs_lock:
                    self.assertEqual(409, response.status, (name, response.raw))
                    self.assertIn("locked", response.message, name)
                else:
                    self.assertIn(response.status, (200, 204), (name, response.raw))
