"""SQLAlchemy's way into PostgreSQL, for the management nouns and the migrations."""

from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from polyagent.adapters.postgres.pool import connect_args, json_text, shares
from polyagent.settings import Database


def open_engine(settings: Database) -> AsyncEngine:
    """Return an engine over its share of the process's connections; nothing is connected yet.

    A JSONB column takes any value that msgspec encodes, and is read as its text.
    """
    _, size = shares(settings.max_open_conns)
    arguments = connect_args(settings)

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(**arguments)

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=size,
        max_overflow=0,
        pool_timeout=settings.connect_timeout_s,
        pool_recycle=settings.max_lifetime,
        hide_parameters=True,  # an error's text would hold them: passwords' hashes, mail addresses
        json_serializer=json_text,
        json_deserializer=str,
    )
    event.listen(engine.sync_engine, "checkout", _require_open)
    return engine


def _require_open(dbapi_connection: Any, *_: Any) -> None:
    # costs nothing, where a ping is a round trip; SQLAlchemy then connects anew
    if dbapi_connection.driver_connection.is_closed():
        raise DisconnectionError
