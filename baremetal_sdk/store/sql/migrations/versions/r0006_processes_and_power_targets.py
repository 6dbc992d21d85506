"""Add the process of a conductor, and an index of the target power state.

A successor on the same machine checks the process to see whether the conductor is dead.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

from baremetal_sdk.store.sql.column_types import string

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column ``process`` of conductors, and the index on ``target_power_state`` of nodes."""
    prefix: str = context.config.attributes["table_prefix"]
    op.add_column(f"{prefix}conductors", sa.Column("process", string(255), nullable=True))
    op.create_index(f"{prefix}nodes_target_power_state_idx", f"{prefix}nodes", ["target_power_state", "id"])
