"""Which version a database's schema has, and how it gets to ours."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.errors import StoreError
from bot.store.engine import BUSY_SECONDS, make_engine, name_of, parse, writing
from bot.store.failures import translated

UPGRADE = "run `pointsman db upgrade`"


async def upgrade(url: str, *, busy_seconds: float = BUSY_SECONDS) -> None:
    """
    Bring the database at *url* to this program's schema, creating it if need be; all of it or nothing.

    Raises: StoreError.
    """
    parsed = parse(url)
    name = name_of(parsed)
    # SQLite changes a table by rebuilding it, and with keys on the rebuild would delete what points at it.
    engine = make_engine(parsed, busy_seconds=busy_seconds, foreign_keys=False)
    try:
        with translated(name):
            async with writing(engine).begin() as connection:
                await connection.run_sync(_migrate, name)
    finally:
        await engine.dispose()


async def is_empty(engine: AsyncEngine) -> bool:
    """Whether the database holds no table at all."""
    async with engine.connect() as connection:
        return not await connection.run_sync(lambda sync: inspect(sync).get_table_names())


async def require_current(engine: AsyncEngine) -> None:
    """Raises: StoreError, with the remedy, if the schema is not this program's."""
    async with engine.connect() as connection:
        found = await connection.run_sync(version_of)
    name = name_of(engine.url)
    require_known(found, name)
    if found != newest():
        raise StoreError(f"the database {name} has schema {found or 'none'}, not {newest()}; {UPGRADE}")


def require_known(version: str | None, name: str) -> None:
    """Raises: StoreError if a newer program made the schema."""
    if version is not None and version not in known():
        raise StoreError(
            f"the database {name} has schema {version}, which is newer than this program ({newest()}); "
            f"install the newer Pointsman, then {UPGRADE}"
        )


def version_of(connection: Connection) -> str | None:
    """The schema's version, or None if no migration ran."""
    return MigrationContext.configure(connection).get_current_revision()


def newest() -> str:
    """The version of the schema that the models describe."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def known() -> frozenset[str]:
    """Every version that this program can bring up to date."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def _migrate(connection: Connection, name: str) -> None:
    require_known(version_of(connection), name)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))  # the config parser expands %
    return config
