"""Following a run: every event once, in order, from any point, wherever it executes."""

from collections.abc import AsyncGenerator
from uuid import UUID

from polyagent.domain.account import Actor
from polyagent.domain.errors import CursorInvalid
from polyagent.domain.event import EPOCH, Event
from polyagent.domain.run import Admitted, Run
from polyagent.ports.clock import Clock
from polyagent.ports.events import Events
from polyagent.ports.runs import Runs
from polyagent.usecases.following.journal import SharedJournal
from polyagent.usecases.following.reading import PAGE, Reading
from polyagent.usecases.following.silence import Silence
from polyagent.usecases.oversight import Oversight


class FollowRun:
    """The live log first; the journal for what that lacks, and whenever it is silent."""

    def __init__(self, runs: Runs, events: Events, clock: Clock, oversight: Oversight) -> None:
        self._journal = SharedJournal(runs)
        self._events = events
        self._oversight = oversight
        self._silence = Silence(runs, clock)

    async def check(self, actor: Actor, run_id: UUID, after: int) -> Run | None:
        """Return the run, if anything is left to read after the cursor, now or later.

        Raises `NotFound`, `Overloaded`, and `CursorInvalid` for an epoch that the run has not reached, or a point
        behind the end of a finished run.
        """
        actor.require("chat")
        run, rest = await self._journal.events(actor, run_id, after, limit=1)
        await self._oversight.note(actor, "run.read", run_id)
        if rest or (after == 0 and not run.is_final):
            return run
        last = await self._last_of_epoch(actor, run_id, after // EPOCH)
        if last is None:
            raise CursorInvalid("This run has not come to that event: begin at its start.")
        if run.is_final and after > last:
            raise CursorInvalid("This run ended before that event: begin at its start.")
        return None if run.is_final else run  # as it was without a rest: it may have ended since

    async def _last_of_epoch(self, actor: Actor, run_id: UUID, epoch: int) -> int | None:
        last, begin = None, epoch * EPOCH
        while True:
            _, events = await self._journal.events(actor, run_id, last or begin, limit=PAGE)
            last = events[-1].id if events else last
            if len(events) < PAGE:
                return last

    async def page(
        self, actor: Actor, run_id: UUID, after: int, limit: int
    ) -> tuple[list[Event], bool]:
        """Return the next journaled events, and whether the run's last one is among or before them."""
        run, events = await self._journal.events(actor, run_id, after, limit=limit)
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
        async with self._events.subscribe(run.id, after) as feed:
            reading = Reading(self._journal, actor, run.id, after, feed)
            with self._silence.broken_for(reading):
                while not reading.has_ended:
                    async for event in reading.news():
                        yield event
                    if reading.was_silent:
                        reading.was_silent = False
                        yield None
                    if not reading.has_ended:
                        await reading.wait()
