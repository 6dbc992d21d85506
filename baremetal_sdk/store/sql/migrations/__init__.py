"""The migrations of the SQL store, for Alembic."""
