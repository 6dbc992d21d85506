"""Create the tables of chassis, port groups, volumes, observed hardware, node history and operators' policies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.types import TypeEngine

from baremetal_sdk.store.sql.column_types import UTCDateTime, counter, string, text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

Columns = list[sa.Column[Any]]


def upgrade() -> None:
    """Create the tables, a column of ports, and indexes from a chassis to its nodes and from a port group to its ports."""
    prefix: str = context.config.attributes["table_prefix"]
    available: sa.Column[Any] = sa.Column(
        "available_for_dynamic_portgroup", sa.Boolean(), nullable=False, server_default=sa.true()
    )
    op.add_column(f"{prefix}ports", available)
    op.create_index(f"{prefix}nodes_chassis_uuid_idx", f"{prefix}nodes", ["chassis_uuid", "id"])
    op.create_index(f"{prefix}ports_portgroup_uuid_idx", f"{prefix}ports", ["portgroup_uuid", "id"])
    _create_hardware(prefix)
    _create_observations(prefix)
    _create_policies(prefix)


def _create_hardware(prefix: str) -> None:
    _create(f"{prefix}chassis", [*_optional(text(), "description"), *_required(text(), "extra")])
    _create_of_node(
        prefix,
        "portgroups",
        [
            *_optional(string(255), "name", "physical_network"),
            *_optional(string(80), "address", "category"),
            *_required(string(64), "mode"),
            *_required(sa.Boolean(), "standalone_ports_supported", "dynamic_portgroup"),
            *_required(text(), "properties", "internal_info", "extra"),
        ],
        unique=[("name",), ("address",)],
    )
    _create_of_node(
        prefix,
        "volume_connectors",
        [*_required(string(64), "type"), *_required(string(255), "connector_id"), *_required(text(), "extra")],
        unique=[("type", "connector_id")],
    )
    _create_of_node(
        prefix,
        "volume_targets",
        [
            *_required(string(64), "volume_type"),
            *_required(string(255), "volume_id"),
            *_required(sa.Integer(), "boot_index"),
            *_required(text(), "properties", "extra"),
        ],
        unique=[("node_uuid", "boot_index")],
    )


def _create_observations(prefix: str) -> None:
    _create_of_node(
        prefix,
        "bios_settings",
        [
            *_required(string(255), "name"),
            *_optional(text(), "value"),
            *_optional(string(64), "attribute_type"),
            *_required(text(), "allowable_values"),
            *_optional(sa.Integer(), "lower_bound", "upper_bound", "min_length", "max_length"),
            *_optional(sa.Boolean(), "read_only", "reset_required", "unique"),
        ],
        unique=[("node_uuid", "name")],
    )
    _create_of_node(
        prefix,
        "firmware_components",
        [
            *_required(string(255), "component", "initial_version"),
            *_optional(string(255), "current_version", "last_version_flashed", "vendor", "model", "serial_number"),
        ],
        unique=[("node_uuid", "component")],
    )
    _create_of_node(
        prefix,
        "node_history",
        [
            *_optional(string(255), "conductor", "user", "project"),
            *_optional(string(64), "event_type", "severity", "state", "target_provision_state"),
            *_optional(text(), "event"),
            *_optional(sa.Integer(), "duration_seconds"),
        ],
        listed=["created_at"],
    )


def _create_policies(prefix: str) -> None:
    _create_of_node(
        prefix,
        "allocations",
        [
            *_optional(string(255), "name", "owner", "conductor"),
            *_optional(string(64), "state"),
            *_optional(string(80), "resource_class"),
            *_optional(text(), "last_error"),
            *_required(text(), "traits", "candidate_nodes", "extra"),
        ],
        unique=[("name",)],
        listed=["resource_class", "state", "owner"],
        needs_node=False,
    )
    _create(f"{prefix}deploy_templates", [*_required(string(255), "name"), *_required(text(), "steps", "extra")], [("name",)])
    _create(
        f"{prefix}runbooks",
        [
            *_required(string(255), "name"),
            *_required(text(), "steps", "traits", "extra"),
            *_optional(text(), "description"),
            *_required(sa.Boolean(), "disable_ramdisk", "public"),
            *_optional(string(255), "owner"),
        ],
        [("name",)],
        ["owner"],
    )
    _create(
        f"{prefix}inspection_rules",
        [
            *_optional(text(), "description"),
            *_required(sa.Integer(), "priority"),
            *_required(string(64), "phase"),
            *_optional(string(255), "scope"),
            *_required(sa.Boolean(), "sensitive"),
            *_required(text(), "conditions", "actions"),
        ],
        listed=["priority"],
    )


def _create_of_node(
    prefix: str,
    name: str,
    columns: Columns,
    *,
    unique: Sequence[tuple[str, ...]] = (),
    listed: Sequence[str] = (),
    needs_node: bool = True,
) -> None:
    """Create a table whose records are deleted with their node."""
    node = sa.Column("node_uuid", string(36), nullable=not needs_node)
    key = sa.ForeignKeyConstraint(
        ["node_uuid"], [f"{prefix}nodes.uuid"], name=f"{prefix}{name}_node_uuid_fkey", ondelete="CASCADE"
    )
    _create(f"{prefix}{name}", [node, *columns], unique, ["node_uuid", *listed], key)


def _create(
    table: str,
    columns: Columns,
    unique: Sequence[tuple[str, ...]] = (),
    listed: Sequence[str] = (),
    *constraints: sa.Constraint,
) -> None:
    op.create_table(
        table,
        sa.Column("id", counter(), primary_key=True, autoincrement=True),
        *_required(string(36), "uuid"),
        *columns,
        *_optional(UTCDateTime(), "created_at", "updated_at"),
        *_required(counter(), "revision"),
        *(sa.UniqueConstraint(*key, name=f"{table}_{'_'.join(key)}_key") for key in (("uuid",), *unique)),
        *constraints,
    )
    for name in listed:
        op.create_index(f"{table}_{name}_idx", table, [name, "id"])


def _required(kind: TypeEngine[Any], *names: str) -> Columns:
    return [sa.Column(name, kind, nullable=False) for name in names]


def _optional(kind: TypeEngine[Any], *names: str) -> Columns:
    return [sa.Column(name, kind, nullable=True) for name in names]
