"""Create the table of the parts of large values, such as config drives and inspection data."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

from baremetal_sdk.store.sql.column_types import UTCDateTime, counter, string, text

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of the parts of large values, with its indexes."""
    prefix: str = context.config.attributes["table_prefix"]
    table = f"{prefix}node_value_parts"
    op.create_table(
        table,
        sa.Column("id", counter(), primary_key=True, autoincrement=True),
        sa.Column("uuid", string(36), nullable=False),
        sa.Column("node_uuid", string(36), nullable=False),
        sa.Column("name", string(255), nullable=False),
        sa.Column("value_uuid", string(36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", text(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=True),
        sa.Column("updated_at", UTCDateTime(), nullable=True),
        sa.Column("revision", counter(), nullable=False),
        sa.UniqueConstraint("uuid", name=f"{table}_uuid_key"),
        sa.UniqueConstraint("value_uuid", "number", name=f"{table}_value_uuid_number_key"),
        sa.ForeignKeyConstraint(["node_uuid"], [f"{prefix}nodes.uuid"], name=f"{table}_node_uuid_fkey", ondelete="CASCADE"),
    )
    op.create_index(f"{table}_node_uuid_idx", table, ["node_uuid", "id"])
