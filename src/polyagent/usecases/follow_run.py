"""Following a run: every event once, in order, from any point, wherever it executes."""

from collections.abc import AsyncGenerator
from uuid import UUID

from polyagent.domain.account import Actor
from polyagent.domain.errors import CursorInvalid
from polyagent.domain.event import EPOCH, Event
from polyagent.domain.run import Admitted, Run
from polyagent.ports.events import Events, Feed
from polyagent.ports.runs import Runs

POLL_S = 1.0
SILENCE_S = 15.0
PAGE = 500


class FollowRun:
    """Live events where the run executes here; the journal for all else, asked once a second."""

    def __init__(self, runs: Runs, events: Events) -> None:
        self._runs = runs
        self._events = events

    async def check(self, actor: Actor, run_id: UUID, after: int) -> bool:
        """Say whether anything is left to read after the cursor, now or later.

        Raises `NotFound`, and `CursorInvalid` for an epoch that the run has not reached, or a point
        behind the end of a finished run.
        """
        actor.require("chat")
        run, rest = await self._runs.events(actor, run_id, after, limit=1)
        if rest or (after == 0 and not run.is_final):
            return True
        run, of_epoch = await self._runs.events(actor, run_id, after // EPOCH * EPOCH, limit=PAGE)
        if not of_epoch:
            raise CursorInvalid("This run has not come to that event: begin at its start.")
        if run.is_final and after > of_epoch[-1].id:
            raise CursorInvalid("This run ended before that event: begin at its start.")
        return not run.is_final

    async def page(
        self, actor: Actor, run_id: UUID, after: int, limit: int
    ) -> tuple[list[Event], bool]:
        """Return the next journaled events, and whether the run's last one is among or before them."""
        run, events = await self._runs.events(actor, run_id, after, limit=limit)
        done = run.is_final and len(events) < limit
        return list(events), done or any(event.body.final for event in events)

    def start(self, actor: Actor, admitted: Admitted) -> AsyncGenerator[Event | None, None]:
        """Follow a run that was just admitted, from its first event."""
        fresh = admitted.work is not None
        return self(actor, admitted.run, EPOCH if fresh else 0)

    async def __call__(
        self, actor: Actor, run: Run, after: int
    ) -> AsyncGenerator[Event | None, None]:
        """Yield the events after `after` until the final one; None for every 15 s of silence."""
        reading = _Reading(self._runs, actor, run.id, after)
        async with self._events.subscribe(run.id, after) as feed:
            while True:
                found = False
                async for event in reading.next(feed):
                    found = True
                    yield event
                    if event.body.final:
                        return
                if reading.ended:
                    return
                if not found and await reading.silence(feed):
                    yield None


class _Reading:
    """A cursor over one run."""

    def __init__(self, runs: Runs, actor: Actor, run_id: UUID, after: int) -> None:
        self._runs = runs
        self._actor = actor
        self._run_id = run_id
        self._at = after
        self._quiet_s = 0.0
        self.ended = False

    async def next(self, feed: Feed) -> AsyncGenerator[Event, None]:
        live = feed.is_live
        for event in feed.take():
            if event.id > self._at + 1:
                async for missed in self._journal(before=event.id):
                    yield missed
            if event.id > self._at:
                self._at = event.id
                yield event
        if not live:
            async for event in self._journal(before=None):
                yield event

    async def _journal(self, before: int | None) -> AsyncGenerator[Event, None]:
        """Read on from the journal. A run that is over has nothing after what it holds now."""
        while True:
            run, events = await self._runs.events(self._actor, self._run_id, self._at, limit=PAGE)
            for event in events:
                if before is not None and event.id >= before:
                    return
                self._at = event.id
                yield event
            if len(events) < PAGE:
                self.ended = run.is_final and before is None
                return

    async def silence(self, feed: Feed) -> bool:
        """Wait for more; True when nothing was said for so long that the reader should be told."""
        pause_s = SILENCE_S if feed.is_live else POLL_S
        if await feed.wait(pause_s):
            self._quiet_s = 0.0
            return False
        self._quiet_s += pause_s
        if self._quiet_s < SILENCE_S:
            return False
        self._quiet_s = 0.0
        return True
