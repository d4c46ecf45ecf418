"""The load of a drill: conversations, several at once, and those who read along."""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence

from tests.chaos.clients import ENDS, Client
from tests.chaos.plan import Ask, Conversation
from tests.chaos.records import History, Reader, Sent

PATIENCE_S = 300.0


class Load:
    """Every run has, beside its asker, a reader from its start and one that comes when it is over."""

    def __init__(self, clients: Sequence[Client], history: History, dice: random.Random) -> None:
        self._clients = clients
        self._history = history
        self._dice = dice

    async def play(
        self,
        conversations: Iterator[Conversation],
        *,
        at_once: int,
        is_enough: Callable[[], bool],
    ) -> None:
        """Hold conversations side by side; begin no more when it is enough."""

        async def one_after_the_other() -> None:
            while not is_enough():
                await self._converse(next(conversations))

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(one_after_the_other())

    async def probe(self, client: Client, ask: Ask) -> None:
        await self._turn(client, [ask], None)

    async def _converse(self, conversation: Conversation) -> None:
        client = self._clients[conversation.user]
        session_id = None
        for turn in conversation.turns:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    session_id = await self._turn(client, turn, session_id)
            except TimeoutError:
                marks = " ".join(ask.mark for ask in turn)
                self._history.stuck.append(f"not within {PATIENCE_S:.0f} s: {marks}")
                return

    async def _turn(self, client: Client, turn: Sequence[Ask], session_id: str | None) -> str:
        async with asyncio.TaskGroup() as group:

            def acknowledged(sent: Sent, run_id: str) -> None:
                group.create_task(self._read_along(client, sent, run_id))

            for ask in turn:
                sent = await client.send(ask, session_id, acknowledged)
                session_id = await client.session_of(sent)
        assert session_id is not None
        return session_id

    async def _read_along(self, client: Client, sent: Sent, run_id: str) -> None:
        reader = client.reader("onlooker", run_id)
        async with asyncio.TaskGroup() as group:
            group.create_task(client.watch(reader, leaves=True))
            if self._dice.random() < 0.4:
                group.create_task(client.watch_by_socket(client.reader("socket", run_id)))
            if sent.ask.cancel_after is not None:
                group.create_task(self._cancel(client, reader, sent.ask.cancel_after))
        if reader.events:
            await self._latecomer(client, reader)

    async def _cancel(self, client: Client, reader: Reader, after: int) -> None:
        while len(reader.events) < after and not reader.finished:
            await asyncio.sleep(0.05)
        await client.cancel(reader.run_id)

    async def _latecomer(self, client: Client, seen: Reader) -> None:
        """Read again from any event that somebody saw: as a stream, or in pages."""
        if self._dice.random() < 0.5:
            await client.poll(client.reader("poller", seen.run_id, deltas=False))
            return
        earlier = [event["id"] for event in seen.events if event["type"] not in ENDS]
        after = self._dice.choice([0, *earlier])
        await client.watch(client.reader("latecomer", seen.run_id, after))
