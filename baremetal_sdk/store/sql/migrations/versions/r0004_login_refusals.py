"""Create the table of rejected BMC credentials, which are not tried again after a restart or a takeover."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

from baremetal_sdk.store.sql.column_types import UTCDateTime, blob, counter, string

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of rejected BMC credentials."""
    table = f"{context.config.attributes['table_prefix']}login_refusals"
    op.create_table(
        table,
        sa.Column("id", counter(), primary_key=True, autoincrement=True),
        sa.Column("uuid", string(36), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("sealed_credential", blob(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=True),
        sa.Column("updated_at", UTCDateTime(), nullable=True),
        sa.Column("revision", counter(), nullable=False),
        sa.UniqueConstraint("uuid", name=f"{table}_uuid_key"),
    )
