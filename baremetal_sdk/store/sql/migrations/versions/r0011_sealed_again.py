"""Mark that the secrets in all rows are sealed. A store without a key remains at the revision before this one."""

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change nothing: the rows have been sealed in batches already, because a migration is one transaction."""
