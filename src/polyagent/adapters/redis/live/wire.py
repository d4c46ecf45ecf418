"""One connection of our own for whole batches of commands.

redis-py connects, authenticates and parses; hiredis packs. Its pipelines would cost several times the
CPU, and this is on the path of every token. https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from hiredis import pack_command
from redis.asyncio import Redis as RedisClient
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

AWAY = (RedisError, OSError, TimeoutError)

Command = tuple[bytes | str | int, ...]


def connection_like(client: RedisClient) -> AbstractConnection:
    """Return a connection beside the client's pool, to the same server, that waits as long as it is let."""
    pool = client.connection_pool
    options = {**pool.connection_kwargs, "socket_timeout": None, "protocol": 2}
    made: AbstractConnection = pool.connection_class(**options)
    return made


def packed(commands: Sequence[Command]) -> bytes:
    return b"".join([pack_command(command) for command in commands])  # type: ignore[arg-type]  # its stub knows tuples of one


class Wire:
    """Calls come one after another; each is answered within `timeout_s`, or the connection is given up."""

    def __init__(self, client: RedisClient, timeout_s: float) -> None:
        self._connection = connection_like(client)
        self._timeout_s = timeout_s
        self._turn = asyncio.Lock()

    async def call(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies in order; the refusal of one command is a `ResponseError` in its place.

        Raises one of `AWAY`: any of the commands may have been done.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._connection.send_packed_command(packed(commands), check_health=False)
                    return [await self._reply() for _ in commands]
            except BaseException:
                await self._connection.disconnect(nowait=True)
                raise

    async def _reply(self) -> Any:
        try:
            return await self._connection.read_response(disable_decoding=True)
        except ResponseError as refusal:
            return refusal

    async def aclose(self) -> None:
        await self._connection.disconnect(nowait=True)
