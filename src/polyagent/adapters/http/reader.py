"""Reading a run for an HTTP client: to its end, as long as it is patient, or until we stop."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import (
    AbstractContextManager,
    aclosing,
    asynccontextmanager,
    nullcontext,
    suppress,
)
from typing import Self

import msgspec

from polyagent.adapters.http.drain import Drain
from polyagent.domain.account import Actor
from polyagent.domain.errors import Unauthenticated, Unavailable
from polyagent.domain.event import (
    Event,
    EventBody,
    MessageCompleted,
    MessageDelta,
    ReasoningDelta,
    RunResumed,
    ToolArgumentsDelta,
)
from polyagent.domain.run import Admitted, Answer, Run
from polyagent.usecases.follow_run import FollowRun

OUTAGE_PAUSE_S = 1.0
PAGE = 1000
REVOKED = "Your credentials were revoked meanwhile; the run goes on."

Held = Callable[[Callable[[], None]], AbstractContextManager[None]]


def nothing_ends(_: Callable[[], None]) -> AbstractContextManager[None]:
    return nullcontext()


class Heard(msgspec.Struct, frozen=True):
    """`spoke`: the model gave some output."""

    answer: Answer
    spoke: bool = False

    def after(self, body: EventBody) -> Self:
        output = isinstance(
            body, MessageDelta | ReasoningDelta | ToolArgumentsDelta | MessageCompleted
        )
        return type(self)(self.answer.after(body), self.spoke or output)


class Reader:
    """`held` listens for the end of what the reader's credentials stand for."""

    def __init__(self, follow: FollowRun, drain: Drain, held: Held = nothing_ends) -> None:
        self.drain = drain
        self.held = held
        self._follow = follow

    async def is_anything_left(self, actor: Actor, run: Run, after: int) -> bool:
        """Say whether there is something to stream behind the cursor. Raises `CursorInvalid`."""
        return await self._follow.check(actor, run.id, after) is not None

    async def settled(self, actor: Actor, run: Run) -> int:
        """Return up to which event the journal has the last word: the newest that voids deltas, or the run's last."""
        settled = after = 0
        while True:
            events, ended = await self._follow.page(actor, run.id, after, PAGE)
            settled = max(
                [settled, *(e.id for e in events if ended or isinstance(e.body, RunResumed))]
            )
            if len(events) < PAGE:
                return settled
            after = events[-1].id

    async def until_end(self, actor: Actor, admitted: Admitted, patience_s: float) -> Heard:
        """Return the answer as it is when the run ends or `patience` does."""
        heard = Heard(Answer.begin(admitted.run))

        def hear(body: EventBody) -> None:
            nonlocal heard
            heard = heard.after(body)

        await self.tell(actor, admitted, hear, patience_s)
        return heard

    async def tell(
        self,
        actor: Actor,
        admitted: Admitted,
        hear: Callable[[EventBody], None],
        patience_s: float | None = None,
    ) -> None:
        """Have `hear` called with what happens, until the run ends or `patience` does."""
        async with (
            self.patience(patience_s),
            aclosing(self.from_start(actor, admitted)) as events,
        ):
            async for event in events:
                if event is not None:
                    hear(event.body)

    @asynccontextmanager
    async def patience(self, patience_s: float | None = None) -> AsyncIterator[None]:
        """Leave the block when the patience ends, or this process stops.

        Raises `Unauthenticated` once the credentials are revoked.
        """
        revoked = asyncio.Event()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s) as patience:
                with (
                    self.drain.listening(lambda: _end(patience)),
                    self.held(lambda: _revoke(revoked, patience)),
                ):
                    yield
        if revoked.is_set():
            raise Unauthenticated(REVOKED)

    def from_start(self, actor: Actor, admitted: Admitted) -> AsyncGenerator[Event | None, None]:
        return self._through_outages(actor, admitted.run, self._follow.start(actor, admitted))

    def after(self, actor: Actor, run: Run, after: int) -> AsyncGenerator[Event | None, None]:
        return self._through_outages(actor, run, self._follow(actor, run, after), after)

    async def _through_outages(
        self,
        actor: Actor,
        run: Run,
        events: AsyncGenerator[Event | None, None],
        at: int = 0,
    ) -> AsyncGenerator[Event | None, None]:
        """Go on from where it was when the store comes back; None keeps the client meanwhile."""
        while True:
            try:
                async with aclosing(events):
                    async for event in events:
                        at = at if event is None else event.id
                        yield event
            except Unavailable:
                yield None
                await asyncio.sleep(OUTAGE_PAUSE_S)
                events = self._follow(actor, run, at)
            else:
                return


def _revoke(revoked: asyncio.Event, patience: asyncio.Timeout) -> None:
    revoked.set()
    _end(patience)


def _end(patience: asyncio.Timeout) -> None:
    if not patience.expired():
        patience.reschedule(0)
