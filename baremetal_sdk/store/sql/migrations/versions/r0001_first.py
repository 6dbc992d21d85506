"""Create the tables of nodes, ports and conductors."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.types import TypeEngine

from baremetal_sdk.store.sql.column_types import UTCDateTime, blob, counter, string, text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_LISTED = (
    "provision_state",
    "driver",
    "owner",
    "lessee",
    "resource_class",
    "shard",
    "parent_node",
    "conductor_group",
    "lease_holder",
    "lease_expires_at",
)


def upgrade() -> None:
    """Create the tables of nodes, ports and conductors."""
    prefix: str = context.config.attributes["table_prefix"]
    _create_nodes(f"{prefix}nodes")
    _create_ports(f"{prefix}ports", f"{prefix}nodes")
    _create_conductors(f"{prefix}conductors")


def _create_nodes(table: str) -> None:
    op.create_table(
        table,
        *_node_identity(),
        *_node_configuration(),
        *_node_state(),
        *_node_work(),
        *(sa.UniqueConstraint(name, name=f"{table}_{name}_key") for name in ("uuid", "name", "instance_uuid")),
    )
    for name in _LISTED:
        op.create_index(f"{table}_{name}_idx", table, [name, "id"])


def _node_identity() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", counter(), primary_key=True, autoincrement=True),
        *_not_null(string(36), "uuid"),
        *_nullable(string(255), "name", "instance_name", "owner", "lessee", "shard"),
        *_nullable(string(36), "instance_uuid", "chassis_uuid", "parent_node", "allocation_uuid"),
        *_nullable(string(80), "resource_class"),
        *_nullable(text(), "description"),
        *_not_null(string(255), "conductor_group"),
        *_not_null(counter(), "revision"),
        *_nullable(UTCDateTime(), "created_at", "updated_at"),
    ]


def _node_configuration() -> list[sa.Column[Any]]:
    return [
        *_not_null(string(80), "driver"),
        *_nullable(string(64), "bios_interface", "boot_interface", "console_interface", "deploy_interface"),
        *_nullable(string(64), "firmware_interface", "inspect_interface", "management_interface", "network_interface"),
        *_nullable(string(64), "power_interface", "raid_interface", "rescue_interface", "storage_interface"),
        *_nullable(string(64), "vendor_interface"),
        *_not_null(text(), "driver_info", "properties", "extra", "instance_info", "network_data"),
        *_not_null(text(), "raid_config", "target_raid_config", "traits"),
        *_nullable(blob(), "sealed_secrets"),
        *_nullable(sa.Boolean(), "automated_clean"),
        *_not_null(sa.Boolean(), "disable_power_off"),
    ]


def _node_state() -> list[sa.Column[Any]]:
    return [
        *_nullable(string(64), "power_state", "target_power_state", "power_source", "target_provision_state"),
        *_not_null(string(64), "provision_state"),
        *_nullable(UTCDateTime(), "power_observed_at", "provision_updated_at", "inspection_started_at", "inspection_finished_at"),
        *_nullable(string(64), "fault", "boot_mode", "health"),
        *_nullable(sa.Boolean(), "secure_boot"),
        *_not_null(sa.Boolean(), "maintenance", "protected", "retired", "console_enabled"),
        *_nullable(text(), "last_error", "maintenance_reason", "protected_reason", "retired_reason"),
    ]


def _node_work() -> list[sa.Column[Any]]:
    return [
        *_not_null(text(), "clean_step", "deploy_step", "service_step", "run_steps", "driver_internal_info", "driver_state"),
        *_nullable(string(36), "run_id"),
        *_nullable(sa.Integer(), "run_index"),
        *_not_null(sa.Integer(), "run_attempt"),
        *_nullable(string(320), "lease_holder"),
        *_nullable(string(255), "lease_purpose"),
        *_nullable(UTCDateTime(), "lease_since", "lease_expires_at"),
        *_not_null(counter(), "epoch"),
    ]


def _create_ports(table: str, nodes: str) -> None:
    op.create_table(
        table,
        sa.Column("id", counter(), primary_key=True, autoincrement=True),
        *_not_null(string(36), "uuid", "node_uuid"),
        *_not_null(string(80), "address"),
        *_nullable(string(80), "category", "vendor"),
        *_nullable(string(255), "name", "physical_network"),
        *_nullable(string(36), "portgroup_uuid"),
        *_nullable(text(), "description"),
        *_not_null(sa.Boolean(), "pxe_enabled", "is_smartnic"),
        *_not_null(text(), "local_link_connection", "internal_info", "extra"),
        *_nullable(UTCDateTime(), "created_at", "updated_at"),
        *_not_null(counter(), "revision"),
        *(sa.UniqueConstraint(name, name=f"{table}_{name}_key") for name in ("uuid", "name", "address")),
        sa.ForeignKeyConstraint(["node_uuid"], [f"{nodes}.uuid"], name=f"{table}_node_uuid_fkey", ondelete="CASCADE"),
    )
    op.create_index(f"{table}_node_uuid_idx", table, ["node_uuid", "id"])


def _create_conductors(table: str) -> None:
    op.create_table(
        table,
        sa.Column("id", counter(), primary_key=True, autoincrement=True),
        *_not_null(string(255), "hostname", "conductor_group"),
        *_not_null(string(64), "incarnation"),
        *_not_null(text(), "drivers"),
        *_nullable(UTCDateTime(), "heartbeat_at", "created_at", "updated_at"),
        sa.UniqueConstraint("hostname", name=f"{table}_hostname_key"),
    )


def _not_null(kind: TypeEngine[Any], *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def _nullable(kind: TypeEngine[Any], *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=True) for name in names]
