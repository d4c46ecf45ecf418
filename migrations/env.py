"""Run by alembic: each revision in a transaction of its own.

`polyagent.adapters.postgres.migrate` gives the connection; it is in no transaction, and it holds the
lock under which nobody else migrates.
"""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"], transaction_per_migration=True
)
with context.begin_transaction():
    context.run_migrations()
