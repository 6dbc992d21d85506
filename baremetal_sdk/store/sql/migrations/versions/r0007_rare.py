"""Create partial indexes of columns that few nodes have set."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import context, op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_WHERE = {
    "fault": "fault IS NOT NULL",
    "instance_name": "instance_name IS NOT NULL",
    "maintenance": "maintenance IS true",
    "retired": "retired IS true",
}


def upgrade() -> None:
    """Create the partial indexes. MariaDB, which has no partial indexes, gets full indexes in their place, or none."""
    table = f"{context.config.attributes['table_prefix']}nodes"
    dialect = op.get_bind().dialect.name
    for name, where in _WHERE.items():
        op.create_index(f"{table}_{name}_idx", table, [name, "id"], **_only(dialect, where))
    if dialect in ("sqlite", "postgresql"):
        for name in ("instance_uuid", "shard"):
            op.create_index(f"{table}_with_{name}_idx", table, ["id"], **_only(dialect, f"{name} IS NOT NULL"))


def _only(dialect: str, where: str) -> dict[str, Any]:
    # SQLite uses a partial index only if the query repeats its condition literally, and SQLAlchemy writes true as 1.
    text = sa.text(where.replace("true", "1") if dialect == "sqlite" else where)
    return {"sqlite_where": text, "postgresql_where": text}
