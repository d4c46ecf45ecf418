"""Bringing a database to this version's schema, and telling whether it is there."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache

import msgspec
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from polyagent.adapters.postgres.engine import open_engine
from polyagent.adapters.postgres.errors import translated
from polyagent.adapters.postgres.pool import SCHEMA
from polyagent.configuration.sources import shipped
from polyagent.domain.errors import MigrationImpossible
from polyagent.settings import Database

OLDEST_SERVER = 15
LOCK = 0x706F6C79
UNLIMITED_S = 86_400.0


async def upgrade(settings: Database, revision: str = "head") -> None:
    """Migrate up to `revision`. Whoever does the same at the same time waits.

    Raises `MigrationImpossible`, `StoreUnavailable`; revisions that were done before one that fails stay.
    """
    await _run(settings, lambda config: command.upgrade(config, revision))


async def downgrade(settings: Database, revision: str) -> None:
    """Migrate down to `revision`, `base`: to nothing. Raises as `upgrade` does."""
    await _run(settings, lambda config: command.downgrade(config, revision))


async def current(settings: Database) -> str | None:
    """Return the revision that the database is at, None if it was never migrated."""
    async with _connected(settings) as connection:
        return await connection.run_sync(_revision)


@cache
def newest() -> str | None:
    """Return the revision that this version needs."""
    return ScriptDirectory(str(shipped("migrations"))).get_current_head()


def is_known(revision: str) -> bool:
    """Say whether this version knows the revision; one that it does not is of a newer version."""
    try:
        return ScriptDirectory(str(shipped("migrations"))).get_revision(revision) is not None
    except CommandError:
        return False


def require_server(version: int) -> None:
    """Raise `MigrationImpossible` if the server's major `version` is too old."""
    if version < OLDEST_SERVER:
        raise MigrationImpossible(
            f"This PostgreSQL is version {version}; PolyAgent needs {OLDEST_SERVER} or newer."
        )


async def _run(settings: Database, action: Callable[[Config], None]) -> None:
    async with _connected(settings) as connection:
        require_server((connection.dialect.server_version_info or (0,))[0])
        # alembic keeps its context in globals: the lock also stands between two calls of one process
        await connection.execute(text(f"SELECT pg_advisory_lock({LOCK})"))
        await _prepare(connection)
        await connection.run_sync(_migrate, action)


async def _prepare(connection: AsyncConnection) -> None:
    # IF NOT EXISTS asks for the right to create schemas even where there is one
    if await connection.scalar(text(f"SELECT to_regnamespace('{SCHEMA}')")) is None:
        await connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    await connection.execute(text("SET lock_timeout = '10s'"))
    await connection.commit()


def _migrate(connection: Connection, action: Callable[[Config], None]) -> None:
    config = Config()
    config.set_main_option("script_location", str(shipped("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        action(config)
    except CommandError as error:
        raise MigrationImpossible(f"{error} A newer PolyAgent may have migrated it.") from error


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


@asynccontextmanager
async def _connected(settings: Database) -> AsyncIterator[AsyncConnection]:
    """Open a connection past any pooler; closing it gives up the lock."""
    # another's migration may take long, and so may an index on a big table
    patient = msgspec.structs.replace(
        settings,
        url=settings.direct_url or settings.url,
        statement_timeout_s=UNLIMITED_S,
        lock_timeout_s=UNLIMITED_S,
    )
    engine = open_engine(patient)
    try:
        with translated():
            async with engine.connect() as connection:
                yield connection
    finally:
        await engine.dispose()
