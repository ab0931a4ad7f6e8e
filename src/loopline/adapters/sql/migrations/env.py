"""Alembic's way in: revisions run on the connection, and in the transaction, that ``open_database`` holds."""

from alembic import context

if hasattr(context, "config"):  # absent where a tool imports this file without a migration under way
    context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
    context.run_migrations()
