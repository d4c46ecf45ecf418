"""Sessions and their messages."""

from uuid import UUID

from polyagent.domain.account import Actor
from polyagent.domain.chat import ForkSession, Message, PatchSession, Session
from polyagent.domain.page import Page, PageAsk
from polyagent.ports.executor import Executor
from polyagent.ports.store import Store
from polyagent.usecases.audit import Audit


class ManageSessions:
    def __init__(self, store: Store, executor: Executor, audit: Audit) -> None:
        self._audit = audit
        self._store = store
        self._executor = executor

    async def get(self, actor: Actor, session_id: UUID) -> Session:
        actor.require("chat")
        async with self._store.begin(actor) as tx:
            session = await tx.sessions.get(session_id)
        await self._audit.seen_theirs(actor, "session.read", session.user_id, session_id)
        return session

    async def list(
        self, actor: Actor, page: PageAsk, *, end_user: str | None, agent_id: UUID | None
    ) -> Page[Session]:
        actor.require("chat")
        await self._audit.seen_list(actor, "session.read")
        async with self._store.begin(actor) as tx:
            return await tx.sessions.list(page, end_user=end_user, agent_id=agent_id)

    async def change(
        self, actor: Actor, session_id: UUID, patch: PatchSession, *, version: int | None = None
    ) -> Session:
        """Change what `version` is still of; None: whatever it is now. Raises `PreconditionFailed`."""
        actor.require("chat")
        async with self._store.begin(actor) as tx:
            session = await tx.sessions.change(session_id, patch, version=version)
            await self._audit.note_theirs(
                tx, "session.changed", actor, session.user_id, object_id=session_id
            )
        return session

    async def fork(self, actor: Actor, session_id: UUID, ask: ForkSession) -> Session:
        """Make a session with the history up to a message. Raises `NotFound` for both."""
        await self._look(actor, session_id)
        async with self._store.begin(actor) as tx:
            return await tx.sessions.fork(session_id, ask.message_id)

    async def delete(self, actor: Actor, session_id: UUID, *, version: int | None = None) -> None:
        """Hide the session at once and cancel its runs. Raises as `change` does."""
        actor.require("chat")
        async with self._store.begin(actor) as tx:
            if actor.is_admin:
                owner_id = (await tx.sessions.get(session_id)).user_id
                await self._audit.note_theirs(
                    tx, "session.deleted", actor, owner_id, object_id=session_id
                )
            running = await tx.sessions.delete(session_id, version=version)
        for run_id in running:
            self._executor.cancel(run_id)

    async def messages(self, actor: Actor, session_id: UUID, page: PageAsk) -> Page[Message]:
        await self._look(actor, session_id)
        async with self._store.begin(actor) as tx:
            return await tx.sessions.messages(session_id, page)

    async def _look(self, actor: Actor, session_id: UUID) -> None:
        """Let an administrator's look into another's session be noted. Raises `NotFound`."""
        actor.require("chat")
        if actor.is_admin:
            await self.get(actor, session_id)
