"""Numbering what happens in a run, and showing it in that order."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from polyagent.domain.errors import StoreUnavailable
from polyagent.domain.event import Event, EventBody
from polyagent.domain.run import Work
from polyagent.ports.clock import Clock
from polyagent.ports.events import Events

T = TypeVar("T")

FIRST_PAUSE_S = 0.05
LAST_PAUSE_S = 1.0


class Narrator:
    """One counter for deltas and journaled events alike; what is journaled is shown only afterwards."""

    def __init__(self, work: Work, events: Events, clock: Clock) -> None:
        self._run = work.run
        self._events = events
        self._clock = clock
        self._last = work.begun.id
        self._writing = asyncio.Lock()
        self._held: list[Event] = []

    def say(self, body: EventBody) -> None:
        """Show something that is not journaled; while a record is being written it waits its turn."""
        event = self._numbered(body)
        if self._writing.locked():
            self._held.append(event)
        else:
            self._events.publish(event)

    async def record(
        self, bodies: tuple[EventBody, ...], write: Callable[[tuple[Event, ...]], Awaitable[T]]
    ) -> T:
        """Number `bodies`, have `write` journal them (until the store answers), then show them.

        The deltas of a step are within every reader's reach before the step is journaled.
        """
        async with self._writing:
            await self._events.flush(self._run.id)
            events = tuple(map(self._numbered, bodies))
            result = await settled(lambda: write(events), self._clock)
            held, self._held = self._held, []
            for event in (*events, *held):
                self._events.publish(event)
        return result

    def _numbered(self, body: EventBody) -> Event:
        self._last += 1
        return Event(
            id=self._last,
            run_id=self._run.id,
            session_id=self._run.session_id,
            at=self._clock.now(),
            body=body,
        )


async def settled(call: Callable[[], Awaitable[T]], clock: Clock) -> T:
    """Repeat a journal call, which recognises its own repetitions, until the store answers."""
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            return await call()
        except StoreUnavailable:
            await clock.sleep(pause_s)
            pause_s = min(pause_s * 2, LAST_PAUSE_S)


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Finish `work` even if the caller is cancelled meanwhile; the cancellation comes after it.

    What is being recorded has to be known before anything else is. Whoever is cancelled once more does
    not wait, and leaves it behind.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_heard)
        await asyncio.wait([task])
        raise


def _heard(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
