"""One reader's cursor over one run."""

from collections.abc import AsyncGenerator
from uuid import UUID

from polyagent.domain.account import Actor
from polyagent.domain.event import Event
from polyagent.ports.events import Feed
from polyagent.usecases.following.journal import SharedJournal

PAGE = 500


class Reading:
    """`at` is the last event that was read. `doubts`: the journal may hold more than the feed."""

    def __init__(
        self, journal: SharedJournal, actor: Actor, run_id: UUID, after: int, feed: Feed
    ) -> None:
        self.run_id = run_id
        self.at = after
        self.doubts = not feed.is_live
        self.quiet_ticks = 0
        self.was_silent = False
        self.has_ended = False
        self._shared = journal
        self._actor = actor
        self._feed = feed

    @property
    def is_live(self) -> bool:
        return self._feed.is_live

    async def news(self) -> AsyncGenerator[Event, None]:
        """Yield what there is now: from the feed with its gaps filled, then from the journal if in doubt."""
        while events := self._feed.take():
            for event in events:
                if event.id > self.at + 1:  # a gap, or the end of an epoch, which is none to see
                    async for missed in self._journal(before=event.id):
                        yield missed
                if event.id > self.at:
                    self._read(event)
                    yield event
        if self.doubts and not self.has_ended:
            self.doubts = False
            async for event in self._journal(before=None):
                yield event

    async def wait(self) -> None:
        await self._feed.wait()

    def doubt(self) -> None:
        """Have the journal read: it holds more, or the run is gone."""
        self.doubts = True
        self._feed.wake()

    def say_silent(self) -> None:
        self.was_silent = True
        self._feed.wake()

    async def _journal(self, before: int | None) -> AsyncGenerator[Event, None]:
        """Read on from the journal. A run that is over has nothing after what it holds now."""
        while True:
            run, events = await self._shared.events(self._actor, self.run_id, self.at, limit=PAGE)
            for event in events:
                if before is not None and event.id >= before:
                    return
                self._read(event)
                yield event
            if len(events) < PAGE:
                self.has_ended = self.has_ended or (run.is_final and before is None)
                return

    def _read(self, event: Event) -> None:
        self.at = event.id
        self.quiet_ticks = 0
        self.has_ended = event.body.final
