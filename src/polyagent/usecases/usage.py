"""What was used, as its users and administrators see it."""

from polyagent.domain.account import Actor
from polyagent.domain.usage import UsageAsk, UsageReport
from polyagent.ports.clock import Clock
from polyagent.ports.usage import UsageBook
from polyagent.usecases.audit import Audit


class ReadUsage:
    def __init__(self, book: UsageBook, clock: Clock, audit: Audit) -> None:
        self._book = book
        self._clock = clock
        self._audit = audit

    async def __call__(self, actor: Actor, ask: UsageAsk) -> UsageReport:
        """Raises `Invalid` for a time that is none, `CursorInvalid`."""
        actor.require("chat")
        begin, end = ask.span(self._clock.now())
        if actor.is_admin:
            await self._audit.seen(actor, "usage.read")
        return await self._book.read(actor, ask, begin, end)
