"""The rules about nodes that are more than one for each path: by field, by whose a node is, by what is shown of it.

Their names are those that policy files for Ironic know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_sdk.api.access.personas import Persona
from baremetal_sdk.api.framework.request import VIEW_NODE
from baremetal_sdk.api.v1.node_fields import INTERFACE_SINCE

CREATE, UPDATE, DELETE = "baremetal:node:create", "baremetal:node:update", "baremetal:node:delete"
CREATE_OWN = f"{CREATE}:self_owned_node"
DELETE_OWN = f"{DELETE}:self_owned_node"
MAINTENANCE = "baremetal:node:set_maintenance"
OWNER_OF_ACTIVE = f"{UPDATE}_owner_provisioned"
"""AuditedRequest as well when the owner of a node changes that carries an instance."""
_NO_CLEANING = "baremetal:node:disable_cleaning"
SEES_ALL_FIELDS = f"{VIEW_NODE}:filter_threshold"
RESTRICTED = ("driver_info", "driver_internal_info", "last_error", "reservation")
"""Fields that tell of the infrastructure: each has a rule of its own, asked of those whom the rule above is not for."""
_FIELDS: Mapping[str, tuple[Persona, tuple[str, ...]]] = {
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
"""Rule -> for whom it is, and the fields whose change it is about. All other fields have the rule of the whole."""
# Maintenance is one thing, whether it is a field or a path.
_RULE_OF_FIELD = {"maintenance": MAINTENANCE, **{name: rule for rule, (_, names) in _FIELDS.items() for name in names}}

RULES: Mapping[str, Persona] = {
    CREATE_OWN: "project-admin",
    DELETE_OWN: "owner-admin",
    OWNER_OF_ACTIVE: "system-admin",
    _NO_CLEANING: "system-admin",
    SEES_ALL_FIELDS: "system-reader",
    **{f"{VIEW_NODE}:{name}": "owner-reader" for name in RESTRICTED},
    **{rule: persona for rule, (persona, _) in _FIELDS.items()},
}
FIELD_RULES = (*_FIELDS, MAINTENANCE)
"""The rules that a change of fields may ask for besides that of the whole."""


def rule_of_change(name: str, value: Any) -> str:
    """The rule that is asked when the field *name* gets *value*."""
    if name == "automated_clean" and str(value).lower() in ("false", "0", "no", "off", "f", "n"):
        return _NO_CLEANING
    return _RULE_OF_FIELD.get(name, UPDATE)
