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
    _create(f"{prefix}chassis", [*_nullable(text(), "description"), *_not_null(text(), "extra")])
    _create_of_node(
        prefix,
        "portgroups",
        [
            *_nullable(string(255), "name", "physical_network"),
            *_nullable(string(80), "address", "category"),
            *_not_null(string(64), "mode"),
            *_not_null(sa.Boolean(), "standalone_ports_supported", "dynamic_portgroup"),
            *_not_null(text(), "properties", "internal_info", "extra"),
        ],
        unique=[("name",), ("address",)],
    )
    _create_of_node(
        prefix,
        "volume_connectors",
        [
            *_not_null(string(64), "type"),
            *_not_null(string(255), "connector_id"),
            *_not_null(text(), "extra"),
        ],
        unique=[("type", "connector_id")],
    )
    _create_of_node(
        prefix,
        "volume_targets",
        [
            *_not_null(string(64), "volume_type"),
            *_not_null(string(255), "volume_id"),
            *_not_null(sa.Integer(), "boot_index"),
            *_not_null(text(), "properties", "extra"),
        ],
        unique=[("node_uuid", "boot_index")],
    )


def _create_observations(prefix: str) -> None:
    _create_of_node(
        prefix,
        "bios_settings",
        [
            *_not_null(string(255), "name"),
            *_nullable(text(), "value"),
            *_nullable(string(64), "attribute_type"),
            *_not_null(text(), "allowable_values"),
            *_nullable(sa.Integer(), "lower_bound", "upper_bound", "min_length", "max_length"),
            *_nullable(sa.Boolean(), "read_only", "reset_required", "unique"),
        ],
        unique=[("node_uuid", "name")],
    )
    _create_of_node(
        prefix,
        "firmware_components",
        [
            *_not_null(string(255), "component", "initial_version"),
            *_nullable(string(255), "current_version", "last_version_flashed", "vendor", "model", "serial_number"),
        ],
        unique=[("node_uuid", "component")],
    )
    _create_of_node(
        prefix,
        "node_history",
        [
            *_nullable(string(255), "conductor", "user", "project"),
            *_nullable(string(64), "event_type", "severity", "state", "target_provision_state"),
            *_nullable(text(), "event"),
            *_nullable(sa.Integer(), "duration_seconds"),
        ],
        listed=["created_at"],
    )


def _create_policies(prefix: str) -> None:
    _create_of_node(
        prefix,
        "allocations",
        [
            *_nullable(string(255), "name", "owner", "conductor"),
            *_nullable(string(64), "state"),
            *_nullable(string(80), "resource_class"),
            *_nullable(text(), "last_error"),
            *_not_null(text(), "traits", "candidate_nodes", "extra"),
        ],
        unique=[("name",)],
        listed=["resource_class", "state", "owner"],
        needs_node=False,
    )
    _create(
        f"{prefix}deploy_templates",
        [*_not_null(string(255), "name"), *_not_null(text(), "steps", "extra")],
        [("name",)],
    )
    _create(
        f"{prefix}runbooks",
        [
            *_not_null(string(255), "name"),
            *_not_null(text(), "steps", "traits", "extra"),
            *_nullable(text(), "description"),
            *_not_null(sa.Boolean(), "disable_ramdisk", "public"),
            *_nullable(string(255), "owner"),
        ],
        [("name",)],
        ["owner"],
    )
    _create(
        f"{prefix}inspection_rules",
        [
            *_nullable(text(), "description"),
            *_not_null(sa.Integer(), "priority"),
            *_not_null(string(64), "phase"),
            *_nullable(string(255), "scope"),
            *_not_null(sa.Boolean(), "sensitive"),
            *_not_null(text(), "conditions", "actions"),
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
        *_not_null(string(36), "uuid"),
        *columns,
        *_nullable(UTCDateTime(), "created_at", "updated_at"),
        *_not_null(counter(), "revision"),
        *(sa.UniqueConstraint(*key, name=f"{table}_{'_'.join(key)}_key") for key in (("uuid",), *unique)),
        *constraints,
    )
    for name in listed:
        op.create_index(f"{table}_{name}_idx", table, [name, "id"])


def _not_null(kind: TypeEngine[Any], *names: str) -> Columns:
    return [sa.Column(name, kind, nullable=False) for name in names]


def _nullable(kind: TypeEngine[Any], *names: str) -> Columns:
    return [sa.Column(name, kind, nullable=True) for name in names]
