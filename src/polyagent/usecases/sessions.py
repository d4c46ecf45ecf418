"""Sessions and their messages."""

from uuid import UUID

from polyagent.domain.account import Actor
from polyagent.domain.chat import Message, PatchSession, Session
from polyagent.domain.page import Page, PageAsk
from polyagent.ports.executor import Executor
from polyagent.ports.store import Store


class ManageSessions:
    def __init__(self, store: Store, executor: Executor) -> None:
        self._store = store
        self._executor = executor

    async def get(self, actor: Actor, session_id: UUID) -> Session:
        actor.require("chat")
        async with self._store.begin(actor) as tx:
            return await tx.sessions.get(session_id)

    async def list(
        self, actor: Actor, page: PageAsk, *, end_user: str | None, agent_id: UUID | None
    ) -> Page[Session]:
        actor.require("chat")
        async with self._store.begin(actor) as tx:
            return await tx.sessions.list(page, end_user=end_user, agent_id=agent_id)

    async def change(self, actor: Actor, session_id: UUID, patch: PatchSession) -> Session:
        actor.require("chat")
        async with self._store.begin(actor) as tx:
            return await tx.sessions.change(session_id, patch)

    async def delete(self, actor: Actor, session_id: UUID) -> None:
        """Hide the session at once and cancel its runs."""
        actor.require("chat")
        async with self._store.begin(actor) as tx:
            running = await tx.sessions.delete(session_id)
        for run_id in running:
            self._executor.cancel(run_id)

    async def messages(self, actor: Actor, session_id: UUID, page: PageAsk) -> Page[Message]:
        actor.require("chat")
        async with self._store.begin(actor) as tx:
            return await tx.sessions.messages(session_id, page)
