"""How Alembic brings a schema to this program's revision."""

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from adapters.store.database import MIGRATIONS


def upgrade(connection: Connection) -> None:
    """Run the migrations that the database has not had, in the connection's transaction."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def head() -> str | None:
    """Give the last revision, as Alembic finds it."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
