"""The table of update rules. The services and the API act on it, and the documentation shows it.

Its rows are Ironic's rules. Ironic has them in its API controllers and in its conductor manager.
"""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import InvalidInput
from baremetal_sdk import states
from baremetal_sdk.errors import InvalidStateRequested, NodeAssociated, NodeProtected
from baremetal_sdk.store.records.node import INTERFACE_FIELDS
from baremetal_sdk.update_rules.rules import Change, Circumstance, Condition, OperationRules, Rule, circumstance

EVERY_STATE = states.STATES
CHANGEABLE_IN_TRANSITION = frozenset(
    {
        states.DEPLOYFAIL,
        states.INSPECTING,
        states.INSPECTFAIL,
        states.INSPECTWAIT,
        states.CLEANFAIL,
        states.ERROR,
        states.VERIFYING,
        states.ADOPTFAIL,
        states.RESCUEFAIL,
        states.UNRESCUEFAIL,
        states.SERVICEHOLD,
        states.SERVICEFAIL,
    }
)
"""States on the way to a target state in which a node can be changed nevertheless."""
_SETTLED = states.STABLE | CHANGEABLE_IN_TRANSITION
_REFITTING = frozenset({states.ENROLL, states.INSPECTING, states.INSPECTWAIT, states.MANAGEABLE, states.AVAILABLE})
"""States without an instance, in which the identity of the machine for schedulers and drivers can be changed."""
_REWIRING = _REFITTING - {states.AVAILABLE}
_NO_INSTANCE = frozenset({states.ENROLL, states.MANAGEABLE})
INSPECT_WAIT_SINCE = 39
"""The minor number of the first microversion that tells ``inspecting`` from ``inspect wait``."""

OWNER_IS_FIXED = Circumstance("the caller lacks ``baremetal:node:update_owner_provisioned``")
ALLOCATION_HAS_OWNER = Circumstance("the node's allocation belongs to a project")
DELETING_AVAILABLE = Circumstance("``[conductor] allow_deleting_available_nodes`` is set")


def _only_ends_association(change: Change) -> bool:
    """Return whether *change* only removes the instance of a node in maintenance: the way out of a failed teardown."""
    return change.node.maintenance and dict(change.values) == {"instance_uuid": None}


def _removes_allocation(change: Change) -> bool:
    return change.node.allocation_uuid is not None and change.values.get("instance_uuid") is None


def _sets_other_instance(change: Change) -> bool:
    return change.node.instance_uuid is not None and change.values.get("instance_uuid") is not None


def _has_reason_without_mark(mark: str) -> Condition:
    def holds(change: Change) -> bool:
        return bool(change.values.get(f"{mark}_reason")) and not change.values.get(mark, getattr(change.node, mark))

    return Condition(f"the reason is set and ``{mark}`` is not", holds)


def _sets(name: str) -> Condition:
    return Condition(f"``{name}`` becomes true", lambda change: bool(change.values.get(name)))


_IN_TRANSITION = Condition(
    "the node has a target provision state, and the patch does more than remove ``instance_uuid`` in maintenance",
    lambda change: change.node.target_provision_state is not None and not _only_ends_association(change),
)
_IS_INSPECTING = Condition(
    f"microversion 1.{INSPECT_WAIT_SINCE} or later",
    lambda change: (change.minor or 0) >= INSPECT_WAIT_SINCE and not _only_ends_association(change),
)
_HAS_RESOURCE_CLASS = Condition("``resource_class`` is set", lambda change: bool(change.node.resource_class))
_HAS_CONSOLE = Condition("the console is enabled", lambda change: change.node.console_enabled)
_HAS_INSTANCE = Condition("the node has an instance", lambda change: change.node.instance_uuid is not None)
_IS_IN_USE = Condition(
    "the node is active or has an instance",
    lambda change: change.node.provision_state == states.ACTIVE or change.node.instance_uuid is not None,
)
_HAS_VIFS = Condition(
    "the node has an instance, and its network interface is not ``noop``",
    lambda change: change.node.instance_uuid is not None and change.node.network_interface != "noop",
)
_IS_PROTECTED = Condition("the node is protected", lambda change: change.node.protected)
_MAY_NOT_DELETE_AVAILABLE = Condition(
    "in state ``available`` unless " + DELETING_AVAILABLE.meaning,
    lambda change: not (change.node.provision_state == states.AVAILABLE and DELETING_AVAILABLE in change.circumstances),
)
_IS_ON = Condition("the node is not powered off", lambda change: change.node.power_state != "power off")


def _inspecting_rule(what: str) -> Rule:
    return Rule(
        allowed=EVERY_STATE - {states.INSPECTING},
        when=_IS_INSPECTING,
        text=f"{what} is in state '{{state}}'; wait for the end of the inspection",
        before_values=True,
    )


NODE_UPDATE = OperationRules(
    resource="node",
    name="update",
    needs_lock=True,
    rules=(
        Rule(
            allowed=_SETTLED,
            when=_IN_TRANSITION,
            text="node {node} cannot be updated while a state transition is in progress: it is in state '{state}'; "
            "wait for the end of the transition, or abort it",
            before_values=True,
        ),
        _inspecting_rule("node {node} cannot be updated while it"),
        Rule(
            fields=("owner",),
            allowed=EVERY_STATE - {states.ACTIVE},
            when=circumstance(OWNER_IS_FIXED),
            error=NodeAssociated,
            text="owner: node {node} is active; undeploy it first, or use the permission "
            "baremetal:node:update_owner_provisioned",
        ),
        Rule(
            fields=("owner",),
            when=circumstance(ALLOCATION_HAS_OWNER),
            error=NodeAssociated,
            text="owner: node {node} is allocated to a project; delete the allocation first",
        ),
        Rule(
            fields=("driver",),
            when=_HAS_CONSOLE,
            text="driver: cannot be changed while the console of node {node} is enabled; stop the console first",
        ),
        Rule(
            fields=("protected",),
            allowed=frozenset({states.ACTIVE, states.RESCUE}),
            when=_sets("protected"),
            text="protected: node {node} cannot be protected while it is '{state}'; allowed states are {allowed}",
        ),
        Rule(
            fields=("protected_reason",),
            when=_has_reason_without_mark("protected"),
            error=InvalidInput,
            text="protected_reason: the node is not protected; set protected as well",
        ),
        Rule(
            fields=("retired",),
            allowed=EVERY_STATE - {states.AVAILABLE},
            when=_sets("retired"),
            text="retired: node {node} cannot be retired while it is '{state}'; change its state first",
        ),
        Rule(
            fields=("retired_reason",),
            when=_has_reason_without_mark("retired"),
            error=InvalidInput,
            text="retired_reason: the node is not retired; set retired as well",
        ),
        Rule(
            fields=tuple(INTERFACE_FIELDS.values()),
            allowed=_REFITTING,
            in_maintenance=True,
            text="{fields}: cannot be changed while node {node} is '{state}'; allowed states are {allowed}, and maintenance",
        ),
        Rule(
            fields=("instance_uuid",),
            when=Condition("the node has another instance", _sets_other_instance),
            error=NodeAssociated,
            text="instance_uuid: node {node} is associated with instance {instance}; remove that association first",
        ),
        Rule(
            fields=("resource_class",),
            allowed=_REFITTING,
            when=_HAS_RESOURCE_CLASS,
            text="resource_class: cannot be changed while node {node} is '{state}'; allowed states are {allowed}",
        ),
        Rule(
            fields=("instance_uuid",),
            allowed=_REFITTING,
            in_maintenance=True,
            when=Condition("it is removed, and the node has an allocation", _removes_allocation),
            text="instance_uuid: node {node} has an allocation and is '{state}'; allowed states are {allowed}, and maintenance",
        ),
    ),
    unrestricted=(
        "automated_clean", "chassis_uuid", "conductor_group", "description", "disable_power_off", "driver_info", "extra",
        "instance_info", "instance_name", "lessee", "maintenance", "name", "network_data", "parent_node", "properties", "shard",
    ),
)  # fmt: skip
NODE_DELETE = OperationRules(
    resource="node",
    name="delete",
    needs_lock=True,
    rules=(
        Rule(
            in_maintenance=True,
            when=_HAS_INSTANCE,
            error=NodeAssociated,
            text="node {node} is associated with instance {instance}; undeploy it first, or delete its allocation",
        ),
        Rule(
            when=_IS_PROTECTED,
            error=NodeProtected,
            text="node {node} is protected: {reason}; unset 'protected' first",
        ),
        Rule(
            allowed=states.DELETE_ALLOWED,
            in_maintenance=True,
            when=_MAY_NOT_DELETE_AVAILABLE,
            text="node {node} is '{state}'; it can be deleted when it is {allowed}, or in maintenance",
        ),
    ),
)
PORT_CREATE = OperationRules(resource="port", name="create", needs_lock=True)
PORT_UPDATE = OperationRules(
    resource="port",
    name="update",
    needs_lock=True,
    rules=(
        _inspecting_rule("port {record} cannot be updated while its node"),
        Rule(
            fields=("address",),
            in_maintenance=True,
            when=_IS_IN_USE,
            text="address: the hardware address of port {record} cannot be changed while node {node} is active or has an "
            "instance; undeploy it first, or put it in maintenance",
        ),
        Rule(
            fields=("portgroup_uuid", "pxe_enabled", "local_link_connection", "physical_network"),
            allowed=_REWIRING,
            in_maintenance=True,
            text="{fields}: the connection of port {record} cannot change while its node is '{state}'; allowed states are "
            "{allowed}, and maintenance",
        ),
    ),
    unrestricted=("available_for_dynamic_portgroup", "category", "description", "extra", "is_smartnic", "name", "vendor"),
)
PORT_DELETE = OperationRules(
    resource="port",
    name="delete",
    needs_lock=True,
    rules=(
        Rule(
            allowed=_NO_INSTANCE,
            in_maintenance=True,
            when=_HAS_VIFS,
            text="port {record} belongs to node {node}, whose instance may have a VIF on it; undeploy it first",
        ),
    ),
)
PORTGROUP_CREATE = OperationRules(resource="portgroup", name="create", needs_lock=True)
PORTGROUP_UPDATE = OperationRules(
    resource="portgroup",
    name="update",
    needs_lock=True,
    rules=(_inspecting_rule("port group {record} cannot be updated while its node"),),
    unrestricted=(
        "address", "category", "extra", "mode", "name", "physical_network", "properties", "standalone_ports_supported",
    ),
)  # fmt: skip
PORTGROUP_DELETE = OperationRules(resource="portgroup", name="delete", needs_lock=True)
CHASSIS_UPDATE = OperationRules(resource="chassis", name="update", needs_lock=False, unrestricted=("description", "extra"))
CHASSIS_DELETE = OperationRules(resource="chassis", name="delete", needs_lock=False)


def _build_volume_operations(label: str, fields: tuple[str, ...]) -> tuple[OperationRules, OperationRules]:
    """Return the operations that change and delete volume records with this label. A running machine may use the volume."""

    def rule(action: str, **values: Any) -> Rule:
        # Clients match this text up to the name of the node.
        refusal = f'The requested action "{label} {action}" can not be performed on node "{{node}}"'
        text = refusal + ' while it is in state "{power}"; power it off first'
        return Rule(when=_IS_ON, error=InvalidStateRequested, text=text, **values)

    return (
        OperationRules(resource=label, name="update", needs_lock=True, rules=(rule("update"),), unrestricted=fields),
        OperationRules(resource=label, name="delete", needs_lock=True, rules=(rule("deletion", allowed=states.DELETE_ALLOWED),)),
    )


CONNECTOR_CREATE = OperationRules(resource="volume connector", name="create", needs_lock=True)
CONNECTOR_UPDATE, CONNECTOR_DELETE = _build_volume_operations("volume connector", ("type", "connector_id", "extra"))
TARGET_CREATE = OperationRules(resource="volume target", name="create", needs_lock=True)
TARGET_UPDATE, TARGET_DELETE = _build_volume_operations(
    "volume target", ("volume_type", "volume_id", "boot_index", "properties", "extra")
)
TRAITS_UPDATE = OperationRules(resource="traits", name="replace, add or remove", needs_lock=True, unrestricted=("traits",))
ALLOCATION_UPDATE = OperationRules(resource="allocation", name="update", needs_lock=False, unrestricted=("name", "extra"))
ALLOCATION_DELETE = OperationRules(
    resource="allocation",
    name="delete",
    needs_lock=True,
    rules=(
        Rule(
            allowed=_SETTLED,
            in_maintenance=True,
            when=Condition(
                "the node has a target provision state", lambda change: change.node.target_provision_state is not None
            ),
            text="the allocation of node {node} cannot be deleted while the node is '{state}'; wait for the end of the "
            "transition, or put the node in maintenance",
        ),
        Rule(
            allowed=EVERY_STATE - {states.ACTIVE},
            in_maintenance=True,
            text="the allocation of node {node} cannot be deleted while the node is '{state}'; undeploy it first, or put it in "
            "maintenance",
        ),
    ),
)
VIF_ATTACH = OperationRules(resource="VIF", name="attach", needs_lock=True, unrestricted=("id",))
VIF_DETACH = OperationRules(resource="VIF", name="detach", needs_lock=True)

OPERATIONS = (
    NODE_UPDATE,
    NODE_DELETE,
    PORT_CREATE,
    PORT_UPDATE,
    PORT_DELETE,
    PORTGROUP_CREATE,
    PORTGROUP_UPDATE,
    PORTGROUP_DELETE,
    CHASSIS_UPDATE,
    CHASSIS_DELETE,
    CONNECTOR_CREATE,
    CONNECTOR_UPDATE,
    CONNECTOR_DELETE,
    TARGET_CREATE,
    TARGET_UPDATE,
    TARGET_DELETE,
    TRAITS_UPDATE,
    ALLOCATION_UPDATE,
    ALLOCATION_DELETE,
    VIF_ATTACH,
    VIF_DETACH,
)
"""All operations, in the order of the documentation."""
