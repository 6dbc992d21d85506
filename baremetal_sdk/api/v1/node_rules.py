"""Policy rules of nodes that belong to no single route: rules for changing fields, for own nodes, and for seeing fields.

Their names are the same as in Ironic's policy files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_sdk.api.access.personas import Persona
from baremetal_sdk.api.framework.request import VIEW_NODE
from baremetal_sdk.api.v1.node_fields import DEFAULTS, INTERFACE_SINCE

CREATE, UPDATE, DELETE = "baremetal:node:create", "baremetal:node:update", "baremetal:node:delete"
CREATE_OWN = f"{CREATE}:self_owned_node"
DELETE_OWN = f"{DELETE}:self_owned_node"
MAINTENANCE = "baremetal:node:set_maintenance"
CHANGE_OWNER_OF_ACTIVE = f"{UPDATE}_owner_provisioned"
"""The rule that allows changing the owner of a node in state active."""
_NO_CLEANING = "baremetal:node:disable_cleaning"
SEES_ALL_FIELDS = f"{VIEW_NODE}:filter_threshold"
"""The rule that allows seeing all fields of all nodes."""
RESTRICTED = ("driver_info", "driver_internal_info", "last_error", "reservation")
"""Fields about the infrastructure. Each has its own rule, which applies to callers without :data:`SEES_ALL_FIELDS`."""
_FIELD_RULES: Mapping[str, tuple[Persona, tuple[str, ...]]] = {
    f"{UPDATE}_extra": ("leased-member", ("extra",)),
    f"{UPDATE}_instance_info": ("member", ("instance_info", "instance_name")),
    f"{UPDATE}:chassis_uuid": ("system-admin", ("chassis_uuid",)),
    f"{UPDATE}:conductor_group": ("system-keeper", ("conductor_group",)),
    f"{UPDATE}:disable_power_off": ("system-admin", ("disable_power_off",)),
    f"{UPDATE}:driver_info": ("keeper", ("driver_info",)),
    f"{UPDATE}:driver_interfaces": ("refitter", ("driver", *(f"{kind}_interface" for kind in INTERFACE_SINCE))),
    f"{UPDATE}:instance_uuid": ("owner-member", ("instance_uuid",)),
    f"{UPDATE}:lessee": ("keeper", ("lessee",)),
    f"{UPDATE}:name": ("owner-member", ("name",)),
    f"{UPDATE}:network_data": ("owner-member", ("network_data",)),
    f"{UPDATE}:owner": ("system-keeper", ("owner",)),
    f"{UPDATE}:parent_node": ("system-keeper", ("parent_node",)),
    f"{UPDATE}:properties": ("owner-member", ("properties",)),
    f"{UPDATE}:retired": ("owner-member", ("retired", "retired_reason")),
    f"{UPDATE}:shard": ("system-admin", ("shard",)),
}
"""Rule -> its persona, and the fields whose change it permits. The change of any other field needs the rule for updates."""
# The field and the route for maintenance have the same rule.
_RULE_BY_FIELD = {"maintenance": MAINTENANCE, **{name: rule for rule, (_, names) in _FIELD_RULES.items() for name in names}}

RULES: Mapping[str, Persona] = {
    CREATE_OWN: "project-admin",
    DELETE_OWN: "owner-admin",
    CHANGE_OWNER_OF_ACTIVE: "system-admin",
    _NO_CLEANING: "system-admin",
    SEES_ALL_FIELDS: "system-reader",
    **{f"{VIEW_NODE}:{name}": "owner-reader" for name in RESTRICTED},
    **{rule: persona for rule, (persona, _) in _FIELD_RULES.items()},
}
FIELD_RULES = (*_FIELD_RULES, MAINTENANCE)
"""The rules that a change of fields may need, in addition to the rule for updates."""


JUDGED_BY_VALUE = frozenset({"automated_clean"})
"""The fields whose rule depends on their new value."""


def find_change_rule(name: str, value: Any) -> str:
    """Return the rule that a caller needs to set the field *name* to *value*.

    *value* must be parsed: in the form in which it is stored. A rule that judged the text of a request would miss some of the
    spellings of a value.
    """
    if name == "automated_clean" and value is False:
        return _NO_CLEANING
    return _RULE_BY_FIELD.get(name, UPDATE)


def find_creation_rules(values: Mapping[str, Any]) -> set[str]:
    """Return the rules that a creator without the rule :data:`CREATE` needs for the parsed *values* of a new node.

    A field with its default value needs no rule. Neither do the driver, which each node has, and the owner, which is the
    project of the creator.
    """
    chosen = {name: value for name, value in values.items() if value != DEFAULTS.get(name) and name not in ("driver", "owner")}
    return {find_change_rule(name, value) for name, value in chosen.items()} - {UPDATE}
