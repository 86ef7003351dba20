"""How Alembic reaches the database: by the connection it is given, in that connection's transaction."""

from alembic import context

from adapters.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, compare_type=True)
context.run_migrations()
