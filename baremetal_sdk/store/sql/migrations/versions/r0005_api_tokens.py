"""Create the table of API tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

from baremetal_sdk.store.sql.column_types import UTCDateTime, blob, counter, string

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of API tokens."""
    table = f"{context.config.attributes['table_prefix']}api_tokens"
    op.create_table(
        table,
        sa.Column("id", counter(), primary_key=True, autoincrement=True),
        sa.Column("uuid", string(36), nullable=False),
        sa.Column("name", string(255), nullable=False),
        sa.Column("role", string(64), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("digest", blob(), nullable=False),
        sa.Column("project", string(255), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=True),
        sa.Column("updated_at", UTCDateTime(), nullable=True),
        sa.Column("revision", counter(), nullable=False),
        sa.UniqueConstraint("uuid", name=f"{table}_uuid_key"),
        sa.UniqueConstraint("name", name=f"{table}_name_key"),
    )
