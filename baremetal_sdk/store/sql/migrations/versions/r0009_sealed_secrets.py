"""Mark that the secrets in all rows are sealed. ``baremetal_sdk.store.sql.sealing`` seals them before this revision."""

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change nothing: the rows have been sealed in batches already, because a migration is one transaction."""
