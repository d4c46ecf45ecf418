"""What was used, as its users and administrators see it."""

from polyagent.domain.account import Actor
from polyagent.domain.usage import UsageAsk, UsageReport
from polyagent.ports.clock import Clock
from polyagent.ports.usage import UsageBook
from polyagent.usecases.audit import Audit
from polyagent.usecases.turns import Turns

AT_ONCE = 2


class ReadUsage:
    """A few at once: what is summed up may be much, and others need the store meanwhile."""

    def __init__(self, book: UsageBook, clock: Clock, audit: Audit) -> None:
        self._book = book
        self._clock = clock
        self._audit = audit
        self._turns = Turns(AT_ONCE, "Too many read at once what was used.")

    async def __call__(self, actor: Actor, ask: UsageAsk) -> UsageReport:
        """Raises `Invalid` for a time that is none, `CursorInvalid`, `Overloaded` when its turn does not come."""
        actor.require("chat")
        begin, end = ask.span(self._clock.now())
        await self._audit.seen_list(actor, "usage.read")
        async with self._turns.taken():
            return await self._book.read(actor, ask, begin, end)
