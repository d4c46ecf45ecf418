"""The runs whose events one socket is told."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

import structlog

from polyagent.adapters.http.socket import frames
from polyagent.adapters.http.socket.connection import Connection
from polyagent.adapters.http.socket.frames import FrameId
from polyagent.domain.errors import PolyAgentError, TooManyOpen
from polyagent.domain.event import Event

MAX_WATCHES = 100

Events = AsyncGenerator[Event | None, None]

log = structlog.get_logger("polyagent.http")


class Watches:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tasks: dict[UUID, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def require_room(self, run_id: UUID | None = None) -> None:
        """Raise `TooManyOpen` unless another run can be watched, or this one is already."""
        if len(self._tasks) >= MAX_WATCHES and run_id not in self._tasks:
            raise TooManyOpen(f"A socket watches at most {MAX_WATCHES} runs: unwatch some.")

    def follow(self, run_id: UUID, events: Events, reply_to: FrameId = None) -> None:
        """Tell of a run from now on; of one that is watched already anew, from where `events` begin."""
        self.stop(run_id)
        self._tasks[run_id] = asyncio.create_task(self._tell(run_id, events, reply_to))

    def stop(self, run_id: UUID) -> None:
        if task := self._tasks.pop(run_id, None):
            task.cancel()

    async def close(self) -> None:
        tasks = [*self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _tell(self, run_id: UUID, events: Events, reply_to: FrameId) -> None:
        try:
            async with aclosing(events):
                async for event in events:
                    if event is None:
                        await self._connection.keep_alive()
                    else:
                        await self._connection.say(frames.event(event, reply_to))
                        reply_to = None
        except PolyAgentError as error:
            await self._connection.say(frames.error(error, reply_to))
        except Exception:
            log.exception("socket.watch_broke", run_id=str(run_id))  # the run goes on
            await self._connection.say(frames.error(PolyAgentError(""), reply_to))
        finally:
            if self._tasks.get(run_id) is asyncio.current_task():
                del self._tasks[run_id]
