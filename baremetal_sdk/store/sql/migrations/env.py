"""Runs migrations on the connection, and in the transaction, of whoever upgrades."""

from alembic import context

_given = context.config.attributes

context.configure(connection=_given["connection"], version_table=_given["version_table"])
with context.begin_transaction():
    context.run_migrations()
