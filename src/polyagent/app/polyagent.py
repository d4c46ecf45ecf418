"""PolyAgent in this process, as a library."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, TypeVar, overload

from dishka import AsyncContainer

from polyagent.domain.account import Actor
from polyagent.domain.chat import Ask
from polyagent.domain.event import Event
from polyagent.domain.run import Admitted, Answer
from polyagent.usecases.chat import SendChat
from polyagent.usecases.follow_run import FollowRun

T = TypeVar("T")


class PolyAgent:
    """The use cases, and somebody to act as: `actor` is the first administrator.

    An `Ask` is the body of POST /api/v1/chat; a text is one with nothing but that message.
    """

    def __init__(self, use_cases: AsyncContainer, actor: Actor) -> None:
        self.actor = actor
        self._use_cases = use_cases

    @overload
    async def get(self, wanted: type[T], /) -> T: ...

    @overload
    async def get(self, wanted: Any, /) -> Any: ...

    async def get(self, wanted: Any, /) -> Any:
        """Return a use case by its class, or an adapter by its port."""
        return await self._use_cases.get(wanted)

    async def ask(self, ask: Ask | str, *, actor: Actor | None = None) -> Answer:
        """Chat and wait for the end; a run that fails is an answer with an `error`.

        Cancelled, it stops waiting: the run goes on. Raises as `SendChat` does.
        """
        admitted = await self._admitted(ask, actor)
        answer = Answer.begin(admitted.run)
        async with aclosing(self._events(admitted, actor)) as events:
            async for event in events:
                answer = answer.after(event.body)
        return answer

    async def stream(
        self, ask: Ask | str, *, actor: Actor | None = None
    ) -> AsyncGenerator[Event, None]:
        """Chat and yield what happens, as it happens, to the end of the run. As `ask` otherwise."""
        admitted = await self._admitted(ask, actor)
        async with aclosing(self._events(admitted, actor)) as events:
            async for event in events:
                yield event

    async def _admitted(self, ask: Ask | str, actor: Actor | None) -> Admitted:
        send = await self.get(SendChat)
        asked = Ask(message=ask) if isinstance(ask, str) else ask
        return await send(actor or self.actor, asked)

    async def _events(self, admitted: Admitted, actor: Actor | None) -> AsyncGenerator[Event, None]:
        follow = await self.get(FollowRun)
        async with aclosing(follow.start(actor or self.actor, admitted)) as events:
            async for event in events:
                if event is not None:
                    yield event
