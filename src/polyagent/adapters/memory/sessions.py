"""Sessions and their messages, in memory."""

from collections.abc import Sequence
from uuid import UUID

from msgspec import UNSET
from msgspec.structs import replace

from polyagent.adapters.memory.page import paged
from polyagent.adapters.memory.runs.ledger import Ledger
from polyagent.adapters.memory.state import MessageRow, RunRow, State
from polyagent.adapters.memory.task_rows import TaskRow
from polyagent.adapters.memory.tasks.outbox import Outbox
from polyagent.adapters.memory.undo import Undo
from polyagent.domain.account import Actor
from polyagent.domain.agent import merge
from polyagent.domain.chat import Message, PatchSession, Session
from polyagent.domain.errors import NotFound, PreconditionFailed
from polyagent.domain.event import RunCancelled
from polyagent.domain.ids import new_id
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.run import RunError
from polyagent.ports.clock import Clock

REASON = "Its session was deleted."


class MemorySessions:
    def __init__(
        self, state: State, undo: Undo, actor: Actor, clock: Clock, offers: list[TaskRow]
    ) -> None:
        self._state = state
        self._undo = undo
        self._actor = actor
        self._clock = clock
        self._offers = offers

    async def get(self, session_id: UUID) -> Session:
        session = self._state.sessions.get(session_id)
        if session is None or not self._sees(session):
            raise NotFound(f"There is no session {session_id}.")
        return self._state.session_as_told(session_id)

    async def list(
        self, page: PageAsk, *, end_user: str | None, agent_id: UUID | None
    ) -> Page[Session]:
        found = paged(
            (
                session
                for session in self._state.sessions.values()
                if self._sees(session)
                and end_user in (None, session.end_user)
                and agent_id in (None, session.agent_id)
            ),
            page,
            lambda session: session.id.int,
        )
        told = [self._state.session_as_told(session.id) for session in found.items]
        return replace(found, items=told)

    async def change(
        self, session_id: UUID, patch: PatchSession, *, version: int | None = None
    ) -> Session:
        await self._require(session_id, version)
        session = self._state.sessions[session_id]
        title = session.title if patch.title is UNSET else patch.title
        metadata = session.metadata
        if patch.metadata is not UNSET:
            metadata = merge(metadata, patch.metadata) or {}
        changed = replace(
            session,
            title=title,
            metadata=metadata,
            version=session.version + 1,
            updated_at=self._clock.now(),
        )
        self._undo.put(self._state.sessions, session_id, changed)
        return self._state.session_as_told(session_id)

    async def fork(self, session_id: UUID, message_id: UUID) -> Session:
        of = await self.get(session_id)
        said = sorted(self._rows(session_id), key=lambda row: row.seq)
        ids = [row.message.id for row in said]
        if message_id not in ids:
            raise NotFound(f"There is no message {message_id}.")
        said = said[: ids.index(message_id) + 1]
        now = self._clock.now()
        fork = replace(
            of,
            id=new_id(),
            user_id=self._actor.user_id,
            status="idle",
            message_count=len(said),
            version=1,
            created_at=now,
            updated_at=now,
        )
        self._undo.put(self._state.sessions, fork.id, fork)
        self._undo.put(self._state.copies, fork.id, [*self._copies(said, fork.id)])
        return fork

    def _copies(self, said: Sequence[MessageRow], session_id: UUID) -> Sequence[MessageRow]:
        """Copy messages; the copy of a summary stands for the copies of what the summary stands for."""
        copies = [self._copied(row, session_id) for row in said]
        numbers = {row.seq: copy.seq for row, copy in zip(said, copies, strict=True)}
        return [
            replace(copy, covers=numbers[row.covers]) if row.covers is not None else copy
            for row, copy in zip(said, copies, strict=True)
        ]

    def _copied(self, row: MessageRow, session_id: UUID) -> MessageRow:
        told = self._state.message_as_told(row)
        calls = tuple(
            replace(call, state="cancelled") if call.is_open else call for call in told.tool_calls
        )
        copy = replace(told, id=new_id(), session_id=session_id, tool_calls=calls)
        return MessageRow(seq=self._state.next_seq(), step=row.step, message=copy)

    async def delete(self, session_id: UUID, *, version: int | None = None) -> Sequence[UUID]:
        await self._require(session_id, version)
        self._undo.include(self._state.deleted_sessions, session_id)
        rows = [*self._state.runs_of(session_id)]
        for row in rows:
            self._undo.put(self._state.runs, row.run.id, self._given_up(row))
        return [row.run.id for row in rows if row.run.status == "running"]

    async def messages(self, session_id: UUID, page: PageAsk) -> Page[Message]:
        await self.get(session_id)
        found = paged(self._rows(session_id), page, lambda row: row.seq)
        told = [self._state.message_as_told(row) for row in found.items]
        return Page(items=told, next_cursor=found.next_cursor)

    def _sees(self, session: Session) -> bool:
        if session.workspace_id != self._actor.workspace_id:
            return False
        if session.id in self._state.deleted_sessions:
            return False
        return self._actor.is_admin or session.user_id == self._actor.user_id

    async def _require(self, session_id: UUID, version: int | None) -> None:
        session = await self.get(session_id)
        if version not in (None, session.version):
            raise PreconditionFailed(f"The session is at version {session.version}, not {version}.")

    def _rows(self, session_id: UUID) -> Sequence[MessageRow]:
        return [*self._state.messages_of(session_id)]

    def _given_up(self, row: RunRow) -> RunRow:
        """Return a run of a deleted session: hidden, ended unless somebody executes it."""
        if row.run.is_final:
            return replace(row, hidden=True)
        now = self._clock.now()
        asked = replace(row, hidden=True, cancel_at=row.cancel_at or now)
        if row.run.status == "running":
            return asked
        ledger, events = Ledger(self._state), self._state.events[row.run.id]
        last = events[-1].id if events else 0
        ending = ledger.endings(row.run, last, now, RunCancelled(REASON))
        self._undo.put(self._state.events, row.run.id, [*events, *ending])
        self._undo.put(self._state.calls, row.run.id, ledger.dropped(row.run.id))
        error = RunError(code="cancelled", detail=REASON)
        ended = replace(row.run, status="cancelled", error=error, finished_at=now, position=None)
        given_up = replace(asked, run=ended, owner=None)
        Outbox(self._state, self._enqueue).run(given_up, now)
        return given_up

    def _enqueue(self, row: TaskRow) -> None:
        self._undo.put(self._state.tasks, row.asked.id, row)
        self._offers.append(row)
