"""The table of update rules, row by row, and its completeness."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from testtools import TestCase

from baremetal_interfaces import BareMetalError
from baremetal_sdk import states
from baremetal_sdk.api.v1.catalog import routes
from baremetal_sdk.api.v1.chassis import ChassisResource
from baremetal_sdk.api.v1.node_fields import PATCH_FIELDS
from baremetal_sdk.api.v1.portgroups import PortgroupsResource
from baremetal_sdk.api.v1.ports import PortsResource
from baremetal_sdk.api.v1.volumes import VolumeConnectorsResource, VolumeTargetsResource
from baremetal_sdk.store.records.hardware import PortgroupRecord
from baremetal_sdk.store.records.node import INTERFACE_FIELDS, NodeRecord, PortRecord
from baremetal_sdk.update_rules import table
from baremetal_sdk.update_rules.rules import Change, Circumstance, OperationRules
from baremetal_sdk.update_rules.table import (
    ALLOCATION_DELETE,
    CONNECTOR_DELETE,
    CONNECTOR_UPDATE,
    NODE_DELETE,
    NODE_UPDATE,
    PORT_DELETE,
    PORT_UPDATE,
    PORTGROUP_UPDATE,
    TARGET_DELETE,
    TARGET_UPDATE,
)

NODE = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
PORT = PortRecord(uuid=OTHER, node_uuid=NODE, address="52:54:00:00:00:01")
GROUP = PortgroupRecord(uuid=OTHER, node_uuid=NODE)
IDLE = {"enroll", "inspecting", "inspect wait", "manageable", "available"}
WIRABLE = IDLE - {"available"}
DELETABLE = {"enroll", "manageable", "adopt failed"}
IN_TRANSITION = {
    "adopting", "cleaning", "clean wait", "clean hold", "deleting", "deploying", "wait call-back", "deploy hold", "rescuing",
    "rescue wait", "unrescuing", "servicing", "service wait",
}  # fmt: skip
ALL = set(states.STATES)
ALLOCATION_PATCH = ("PATCH", "/v1/allocations/{allocation}")


@dataclass(frozen=True)
class Case:
    """A change that one row decides: the row applies to it, and the node's state is allowed or not."""

    operation: OperationRules
    error: str
    """The name of the error of a refusal."""
    code: int
    allowed: set[str] = field(default_factory=set)
    """The states that allow the change."""
    in_maintenance: bool = False
    """True if maintenance allows it in every state."""
    node: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    record: Any = None
    minor: int | None = None
    circumstances: frozenset[Circumstance] = frozenset()

    def change(self, state: str, *, maintenance: bool = False) -> Change:
        """Return the change of a node in *state*."""
        return Change(
            node=NodeRecord(uuid=NODE, provision_state=state, maintenance=maintenance, **self.node),
            record=self.record,
            values=self.values,
            minor=self.minor,
            circumstances=self.circumstances,
        )


def _volume_cases(update: OperationRules, delete: OperationRules) -> tuple[Case, ...]:
    on = {"power_state": "power on"}
    return (
        Case(update, "InvalidStateRequested", 400, node=on, values={"extra": {"a": 1}}),
        Case(delete, "InvalidStateRequested", 400, DELETABLE, node=on),
    )


CASES = (
    Case(
        NODE_UPDATE,
        "InvalidState",
        409,
        ALL - IN_TRANSITION,
        node={"target_provision_state": "x"},
        values={"extra": {"a": 1}},
    ),
    Case(NODE_UPDATE, "InvalidState", 409, ALL - {"inspecting"}, values={"extra": {}}, minor=39),
    Case(
        NODE_UPDATE,
        "NodeAssociated",
        409,
        ALL - {"active"},
        values={"owner": "p"},
        circumstances=frozenset({table.OWNER_IS_FIXED}),
    ),
    Case(NODE_UPDATE, "NodeAssociated", 409, values={"owner": "p"}, circumstances=frozenset({table.ALLOCATION_HAS_OWNER})),
    Case(NODE_UPDATE, "InvalidState", 409, node={"console_enabled": True}, values={"driver": "redfish"}),
    Case(NODE_UPDATE, "InvalidState", 409, {"active", "rescue"}, values={"protected": True}),
    Case(NODE_UPDATE, "InvalidInput", 400, values={"protected_reason": "x"}),
    Case(NODE_UPDATE, "InvalidState", 409, ALL - {"available"}, values={"retired": True}),
    Case(NODE_UPDATE, "InvalidInput", 400, values={"retired_reason": "x"}),
    *(
        Case(NODE_UPDATE, "InvalidState", 409, IDLE, in_maintenance=True, values={name: "fake"})
        for name in INTERFACE_FIELDS.values()
    ),
    Case(NODE_UPDATE, "NodeAssociated", 409, node={"instance_uuid": NODE}, values={"instance_uuid": OTHER}),
    Case(NODE_UPDATE, "InvalidState", 409, IDLE, node={"resource_class": "gold"}, values={"resource_class": "silver"}),
    Case(
        NODE_UPDATE,
        "InvalidState",
        409,
        IDLE,
        in_maintenance=True,
        node={"allocation_uuid": NODE, "instance_uuid": NODE},
        values={"instance_uuid": None},
    ),
    Case(NODE_DELETE, "NodeAssociated", 409, in_maintenance=True, node={"instance_uuid": NODE}),
    Case(NODE_DELETE, "NodeProtected", 403, node={"protected": True}),
    Case(NODE_DELETE, "InvalidState", 409, DELETABLE, in_maintenance=True),
    Case(PORT_UPDATE, "InvalidState", 409, ALL - {"inspecting"}, values={"extra": {}}, record=PORT, minor=39),
    Case(
        PORT_UPDATE,
        "InvalidState",
        409,
        in_maintenance=True,
        node={"instance_uuid": OTHER},
        values={"address": "52:54:00:00:00:02"},
        record=PORT,
    ),
    *(
        Case(PORT_UPDATE, "InvalidState", 409, WIRABLE, in_maintenance=True, values={name: None}, record=PORT)
        for name in ("portgroup_uuid", "pxe_enabled", "local_link_connection", "physical_network")
    ),
    Case(
        PORT_DELETE,
        "InvalidState",
        409,
        {"enroll", "manageable"},
        in_maintenance=True,
        node={"instance_uuid": OTHER, "network_interface": "flat"},
        record=PORT,
    ),
    Case(PORTGROUP_UPDATE, "InvalidState", 409, ALL - {"inspecting"}, values={"name": "x"}, record=GROUP, minor=39),
    *_volume_cases(CONNECTOR_UPDATE, CONNECTOR_DELETE),
    *_volume_cases(TARGET_UPDATE, TARGET_DELETE),
    Case(
        ALLOCATION_DELETE,
        "InvalidState",
        409,
        ALL - IN_TRANSITION - {"active"},
        in_maintenance=True,
        node={"target_provision_state": "x"},
    ),
    Case(ALLOCATION_DELETE, "InvalidState", 409, ALL - {"active"}, in_maintenance=True),
)

EXCEPTIONS: tuple[tuple[str, OperationRules, dict[str, Any], dict[str, Any]], ...] = (
    (
        "a node in maintenance loses its instance during a transition",
        NODE_UPDATE,
        {"provision_state": "cleaning", "target_provision_state": "available", "maintenance": True},
        {"instance_uuid": None},
    ),
    ("a node without a target is in no transition", NODE_UPDATE, {"provision_state": "cleaning"}, {"extra": {}}),
    ("the first resource class of an active node", NODE_UPDATE, {"provision_state": "active"}, {"resource_class": "gold"}),
    ("the driver of an active node", NODE_UPDATE, {"provision_state": "active"}, {"driver": "redfish"}),
    ("the removal of a mark", NODE_UPDATE, {"provision_state": "available", "retired": True}, {"retired": False}),
    ("a reason with its mark", NODE_UPDATE, {"provision_state": "active"}, {"protected": True, "protected_reason": "x"}),
    ("an instance instead of none", NODE_UPDATE, {"provision_state": "active"}, {"instance_uuid": OTHER}),
    (
        "an instance without an allocation",
        NODE_UPDATE,
        {"provision_state": "active", "instance_uuid": NODE},
        {"instance_uuid": None},
    ),
    ("the address of an unused port", PORT_UPDATE, {"provision_state": "available"}, {"address": "52:54:00:00:00:02"}),
    (
        "a port whose network interface attaches nothing",
        PORT_DELETE,
        {"provision_state": "active", "instance_uuid": NODE, "network_interface": "noop"},
        {},
    ),
    ("a volume of a machine that is off", TARGET_UPDATE, {"power_state": "power off"}, {"extra": {}}),
)


def _refusal(operation: OperationRules, change: Change) -> BareMetalError | None:
    try:
        operation.check(change)
    except BareMetalError as exc:
        return exc
    return None


class TestRows(TestCase):
    def test_each_row_allows_the_states_of_ironic(self) -> None:
        """A change is refused exactly in the states that its row does not allow, and maintenance matters where the row says."""
        for case in CASES:
            for state in sorted(ALL):
                for maintenance in (False, True):
                    context = (case, state, maintenance)
                    refusal = _refusal(case.operation, case.change(state, maintenance=maintenance))
                    allowed = state in case.allowed or (maintenance and case.in_maintenance)
                    if allowed:
                        self.assertIsNone(refusal, context)
                    else:
                        self.assertIsNotNone(refusal, context)
                        self.assertEqual((case.error, case.code), (type(refusal).__name__, getattr(refusal, "code", 0)), context)

    def test_each_row_has_a_case(self) -> None:
        """A row that no case reaches would be untested."""
        for operation in table.OPERATIONS:
            for rule in operation.rules:
                reached = any(case.operation is operation and rule.refuses(case.change(state)) for case in CASES for state in ALL)
                self.assertTrue(reached, (operation.resource, operation.name, rule.text))

    def test_changes_outside_of_the_conditions_are_allowed(self) -> None:
        """A row refuses nothing to which its condition does not apply."""
        for meaning, operation, node, values in EXCEPTIONS:
            change = Change(node=NodeRecord(uuid=NODE, **node), record=PORT, values=values, minor=115)
            self.assertIsNone(_refusal(operation, change), meaning)

    def test_address_of_an_active_node_without_an_instance(self) -> None:
        """An active node counts as in use, whether or not a client has set its instance."""
        change = Change(node=NodeRecord(uuid=NODE, provision_state="active"), record=PORT, values={"address": "x"})
        self.assertIn("hardware address", str(_refusal(PORT_UPDATE, change)))

    def test_available_nodes_can_be_deleted_by_configuration(self) -> None:
        """The option allows it, and nothing else."""
        for state in ALL:
            node = NodeRecord(uuid=NODE, provision_state=state)
            refusal = _refusal(NODE_DELETE, Change(node=node, circumstances=frozenset({table.DELETING_AVAILABLE})))
            self.assertEqual(state not in DELETABLE | {"available"}, refusal is not None, state)

    def test_rule_of_a_microversion_does_not_apply_before_it(self) -> None:
        """Before 1.39, clients cannot tell inspecting from inspect wait, in which they may update."""
        node = NodeRecord(uuid=NODE, provision_state="inspecting")
        self.assertIsNone(_refusal(NODE_UPDATE, Change(node=node, values={"extra": {}}, minor=38)))


class TestCompleteness(TestCase):
    def test_every_writable_field_has_a_row(self) -> None:
        """A new field needs a decision in the table, and the table has no other fields."""
        resources = {
            table.PORT_UPDATE: PortsResource,
            table.PORTGROUP_UPDATE: PortgroupsResource,
            table.CHASSIS_UPDATE: ChassisResource,
            table.CONNECTOR_UPDATE: VolumeConnectorsResource,
            table.TARGET_UPDATE: VolumeTargetsResource,
        }
        self.assertEqual(set(PATCH_FIELDS.by_name), NODE_UPDATE.fields())
        for operation, resource in resources.items():
            self.assertEqual(set(resource.fields.patch_fields.by_name), operation.fields(), operation.resource)
        patch = next(route["body"] for route in routes() if (route["method"], route["path"]) == ALLOCATION_PATCH)
        names = re.findall(r"\w+", patch["items"]["anyOf"][1]["properties"]["path"]["pattern"])
        self.assertEqual(set(names), table.ALLOCATION_UPDATE.fields())

    def test_no_field_is_both_restricted_and_unrestricted(self) -> None:
        """The documentation shows each field without a rule once."""
        for operation in table.OPERATIONS:
            restricted = {name for rule in operation.rules for name in rule.fields}
            self.assertEqual(set(), restricted & set(operation.unrestricted), operation.resource)
