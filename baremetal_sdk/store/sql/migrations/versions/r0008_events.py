"""Create the tables of the outbox and of requests with an idempotency key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

from baremetal_sdk.store.sql.column_types import UTCDateTime, blob, counter, string, text

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of the outbox and of requests with an idempotency key."""
    prefix = context.config.attributes["table_prefix"]
    events, requests = f"{prefix}events", f"{prefix}keyed_requests"
    op.create_table(
        events,
        sa.Column("id", counter(), primary_key=True, autoincrement=True),
        sa.Column("batch", counter(), nullable=True),
        sa.Column("kind", string(16), nullable=False),
        sa.Column("node_uuid", string(36), nullable=False),
        sa.Column("owner", string(255), nullable=True),
        sa.Column("lessee", string(255), nullable=True),
        sa.Column("content", text(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index(f"{events}_batch_idx", events, ["batch", "id"])
    op.create_table(
        f"{events}_progress",
        sa.Column("id", counter(), primary_key=True, autoincrement=False),
        sa.Column("last_batch", counter(), nullable=False),
        sa.Column("gone_batch", counter(), nullable=False),
        sa.Column("gone_number", counter(), nullable=False),
    )
    op.create_table(
        requests,
        sa.Column("id", counter(), primary_key=True, autoincrement=True),
        sa.Column("uuid", string(36), nullable=False),
        sa.Column("digest", blob(), nullable=False),
        sa.Column("began_at", UTCDateTime(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("content", text(), nullable=True),
        sa.Column("location", text(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=True),
        sa.Column("updated_at", UTCDateTime(), nullable=True),
        sa.Column("revision", counter(), nullable=False),
        sa.UniqueConstraint("uuid", name=f"{requests}_uuid_key"),
    )
    op.create_index(f"{requests}_created_at_idx", requests, ["created_at", "id"])
