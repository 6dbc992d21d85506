"""A simulated next release for upgrade tests: a later schema, a later RPC method version, and an additional field."""

from __future__ import annotations

import shutil
from pathlib import Path

import baremetal_sdk
from baremetal_sdk.store.sql.schema import REVISIONS

NEXT_REVISION = f"{int(REVISIONS[-1]) + 1:04d}"
METHOD, NEXT_VERSION = "change_provision_state", "1.1"
_MIGRATION = f'''"""The schema of the next release."""
import sqlalchemy as sa
from alembic import context, op
from baremetal_sdk.store.sql.column_types import string

revision, down_revision, branch_labels, depends_on = "{NEXT_REVISION}", "{REVISIONS[-1]}", None, None

def upgrade():
    prefix = context.config.attributes["table_prefix"]
    op.add_column(prefix + "nodes", sa.Column("next_word", string(255), nullable=True))
    op.create_index(prefix + "nodes_next_word_idx", prefix + "nodes", ["next_word", "id"])
    op.create_table(prefix + "nexts", sa.Column("id", sa.Integer(), primary_key=True))
'''
_CHANGES = {
    "store/sql/schema.py": ((f'"{REVISIONS[-1]}")', f'"{REVISIONS[-1]}", "{NEXT_REVISION}")'),),
    "store/records/node.py": (
        ("\n\nclass NodeVersion(", '\n    next_word: str | None = None\n\n\nclass NodeVersion('),
    ),
    "services/provisioning.py": (
        (f'@rpc_method("1.0")\n    def {METHOD}(self, ', f'@rpc_method("{NEXT_VERSION}")\n    def {METHOD}(self, '),
        ("arguments: Mapping[str, Any] | None = None) -> None:", "arguments: Any = None, next_word: str = '') -> None:"),
    ),
}  # fmt: skip


def write(directory: Path) -> Path:
    """Write the release to *directory*. Return the path that has to come first in ``PYTHONPATH`` to run it."""
    target = directory / "baremetal_sdk"
    shutil.copytree(Path(baremetal_sdk.__file__).parent, target, ignore=shutil.ignore_patterns("__pycache__"))
    for name, changes in _CHANGES.items():
        file = target / name
        text = file.read_text(encoding="utf-8")
        for old, new in changes:
            if old not in text:
                raise AssertionError(f"{name} no longer contains {old!r}: update tests/system/next_release.py")
            text = text.replace(old, new, 1)
        file.write_text(text, encoding="utf-8")
    (target / "store" / "sql" / "migrations" / "versions" / f"r{NEXT_REVISION}_next.py").write_text(_MIGRATION, encoding="utf-8")
    return directory
