"""The one connection over which this process hears from the others."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog
from redis.asyncio import Redis as RedisClient
from redis.asyncio.connection import AbstractConnection

from polyagent.adapters.redis.live.wire import AWAY, Command, connection_like, packed

PAUSE_S = 0.2
PING_S = 5.0
SILENCE_S = 12.0

log = structlog.get_logger("polyagent.redis")


class Subscriber:
    """`heard(channel, message)` is called for each message, `joined(channel)` whenever one is subscribed.

    After a lost connection everything is subscribed anew: what was said meanwhile was not heard.
    """

    def __init__(
        self,
        client: RedisClient,
        *,
        heard: Callable[[bytes, bytes], None],
        joined: Callable[[bytes], None],
    ) -> None:
        self._client = client
        self._heard = heard
        self._joined = joined
        self._channels: set[bytes] = set()
        self._commands: asyncio.Queue[Command] = asyncio.Queue()
        self._wanted = asyncio.Event()

    def add(self, channel: bytes) -> None:
        self._channels.add(channel)
        self._commands.put_nowait(("SUBSCRIBE", channel))
        self._wanted.set()

    def remove(self, channel: bytes) -> None:
        self._channels.discard(channel)
        self._commands.put_nowait(("UNSUBSCRIBE", channel))

    async def listening(self) -> None:
        await self._wanted.wait()
        while True:
            try:
                await self._listen()
            except AWAY as error:
                log.debug("subscriber.away", error=str(error))
            except Exception:  # whatever somebody sends, we listen on
                log.exception("subscriber.died")
            await asyncio.sleep(PAUSE_S)

    async def _listen(self) -> None:
        connection = connection_like(self._client)
        self._commands = asyncio.Queue()
        for channel in self._channels:
            self._commands.put_nowait(("SUBSCRIBE", channel))
        try:
            async with asyncio.timeout(SILENCE_S):
                await connection.connect()  # type: ignore[no-untyped-call]  # of redis-py
            talking = asyncio.create_task(self._talk(connection))
            try:
                while True:
                    async with asyncio.timeout(SILENCE_S):
                        reply = await connection.read_response(disable_decoding=True)
                    self._take(reply)
            finally:
                talking.cancel()
        finally:
            await connection.disconnect(nowait=True)

    async def _talk(self, connection: AbstractConnection) -> None:
        """Send what there is to say; a ping when there is nothing, so that silence means something."""
        while True:
            commands: list[Command] = [("PING",)]
            with suppress(TimeoutError):
                async with asyncio.timeout(PING_S):
                    commands = [await self._commands.get()]
            while not self._commands.empty():
                commands.append(self._commands.get_nowait())
            await connection.send_packed_command(packed(commands), check_health=False)

    def _take(self, reply: list[bytes]) -> None:
        match reply:
            case [b"message", channel, message]:
                self._heard(channel, message)
            case [b"subscribe", channel, _]:
                self._joined(channel)
