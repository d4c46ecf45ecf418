"""A database of its own beside the configured one, made and dropped again."""

import secrets
from urllib.parse import parse_qsl, urlencode

import asyncpg
import msgspec

from polyagent.adapters.postgres.errors import translated
from polyagent.adapters.postgres.pool import connect_args
from polyagent.domain.errors import Forbidden
from polyagent.settings import Database

PREFIX = "polyagent_selftest_"
DATABASE = ("dbname", "database")


async def create_scratch(settings: Database) -> Database:
    """Create an empty database and return the settings that lead to it, without a replica.

    Raises `Forbidden` if the role may not, and `StoreUnavailable` if it cannot be reached afterwards,
    which is so behind a pooler that knows its databases by name.
    """
    name = PREFIX + secrets.token_hex(6)
    await _run(settings, f"CREATE DATABASE {name} TEMPLATE template0")
    scratch = msgspec.structs.replace(
        settings,
        url=_renamed(settings.url, name),
        direct_url=_renamed(settings.direct_url, name),
        replica_url=None,
    )
    try:
        for url in filter(None, (scratch.url, scratch.direct_url)):
            await _connect(scratch, url)
    except BaseException:
        await drop_scratch(settings, scratch)
        raise
    return scratch


async def drop_scratch(settings: Database, scratch: Database) -> None:
    """Drop what `create_scratch` made of `settings`, whoever is still connected to it."""
    name = (scratch.url or "").partition("?")[0].rpartition("/")[2]
    if name.startswith(PREFIX):
        await _run(settings, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _renamed(url: str | None, name: str) -> str | None:
    """A `dbname` among the parameters would win over the path."""
    if url is None:
        return None
    address, _, query = url.partition("?")
    scheme, _, rest = address.partition("://")
    named = [(key, value) for key, value in parse_qsl(query) if key not in DATABASE]
    return f"{scheme}://{rest.partition('/')[0]}/{name}?{urlencode(named)}"


async def _connect(settings: Database, url: str) -> None:
    with translated():
        await (await asyncpg.connect(**connect_args(settings, url=url))).close()


async def _run(settings: Database, statement: str) -> None:
    with translated():
        connection = await asyncpg.connect(**connect_args(settings, url=settings.direct_url))
        try:
            await connection.execute(statement)
        except asyncpg.InsufficientPrivilegeError as error:
            raise Forbidden("The role may not create databases.") from error
        finally:
            await connection.close()
