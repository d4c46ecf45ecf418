"""Sessions and their messages, in PostgreSQL."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace
from sqlalchemy import RowMapping, Text, and_, func, insert, literal_column, select, true, update
from sqlalchemy import text as sql
from sqlalchemy.orm import aliased

from polyagent.adapters.postgres.page import by_id, by_number, page_of
from polyagent.adapters.postgres.runs.rows import messages_of
from polyagent.adapters.postgres.runs.sql_endings import ENDINGS
from polyagent.adapters.postgres.runs.sql_json import MESSAGE
from polyagent.adapters.postgres.statements import Statements
from polyagent.adapters.postgres.tables import MessageRow, RunRow
from polyagent.adapters.postgres.tables import SessionRow as S
from polyagent.domain.account import Actor
from polyagent.domain.agent import merge
from polyagent.domain.chat import Message, PatchSession, Session
from polyagent.domain.errors import NotFound, PreconditionFailed
from polyagent.domain.ids import new_id
from polyagent.domain.page import Page, PageAsk

PAGE_BYTES = 32 * 1024 * 1024
REASON = "Its session was deleted."


class PostgresSessions:
    def __init__(self, statements: Statements, actor: Actor) -> None:
        self._statements = statements
        self._actor = actor
        own = true() if actor.is_admin else S.user_id == actor.user_id
        self._visible = and_(S.workspace_id == actor.workspace_id, S.deleted_at.is_(None), own)

    async def get(self, session_id: UUID) -> Session:
        return _session(await self._one(session_id, _SELECT))

    async def list(
        self, page: PageAsk, *, end_user: str | None, agent_id: UUID | None
    ) -> Page[Session]:
        statement = _SELECT.where(self._visible)
        if end_user is not None:
            statement = statement.where(S.end_user == end_user)
        if agent_id is not None:
            statement = statement.where(S.agent_id == agent_id)
        rows = await self._statements.all(by_id(statement, S.id, page))
        return page_of(rows, page, lambda row: row["id"], _session)

    async def change(
        self, session_id: UUID, patch: PatchSession, *, version: int | None = None
    ) -> Session:
        now = await self._locked(session_id, version)
        values: dict[str, Any] = {"updated_at": func.now(), "version": now.version + 1}
        if patch.title is not msgspec.UNSET:
            values["title"] = patch.title
        if patch.metadata is not msgspec.UNSET:
            values["details"] = merge(now.metadata, patch.metadata) or {}
        await self._statements.run(update(S).where(S.id == session_id).values(values))
        return await self.get(session_id)

    async def fork(self, session_id: UUID, message_id: UUID) -> Session:
        kept = _SELECT.with_for_update(read=True, key_share=True, of=S)  # from being swept
        of = _session(await self._one(session_id, kept))
        values = {"session_id": session_id, "message_id": message_id}
        said = [row["id"] for row in await self._statements.all(_SAID_UNTIL, values)]
        if not said:
            raise NotFound(f"There is no message {message_id}.")
        fork_id = await self._begin_like(of, len(said))
        values = {"session_id": fork_id, "user_id": self._actor.user_id}
        copies = {"said": said, "copies": [new_id() for _ in said]}
        await self._statements.run(_COPY.bindparams(**values, **copies))
        await self._statements.run(_COVER.bindparams(session_id=session_id, **copies))
        return await self.get(fork_id)

    async def _begin_like(self, of: Session, message_count: int) -> UUID:
        fork_id = new_id()
        row = {
            "id": fork_id,
            "workspace_id": of.workspace_id,
            "user_id": self._actor.user_id,
            "end_user": of.end_user,
            "agent_id": of.agent_id,
            "title": of.title,
            "details": of.metadata,
            "message_count": message_count,
        }
        await self._statements.run(insert(S).values(row))
        return fork_id

    async def delete(self, session_id: UUID, *, version: int | None = None) -> Sequence[UUID]:
        await self._locked(session_id, version)
        hidden = update(S).where(S.id == session_id).values(deleted_at=func.now())
        await self._statements.run(hidden)
        values = {"session_id": session_id, "reason": REASON}
        rows = await self._statements.all(_CANCEL_RUNS, values)
        return [row["id"] for row in rows]

    async def messages(self, session_id: UUID, page: PageAsk) -> Page[Message]:
        await self._one(session_id, select(S.id))
        page = await self._fitting(session_id, page)
        said = _SELECT_MESSAGE.where(_M.session_id == session_id)
        rows = await self._statements.all(by_number(said, _M.seq, page))
        return page_of(
            rows, page, lambda row: row["seq"], lambda row: messages_of(f"[{row['told']}]")[0]
        )

    async def _fitting(self, session_id: UUID, page: PageAsk) -> PageAsk:
        """Return the page as short as `PAGE_BYTES` make it; images stand in it whole."""
        sizes = select(func.pg_column_size(_M.parts).label("size")).where(
            _M.session_id == session_id
        )
        rows = await self._statements.all(by_number(sizes, _M.seq, page))
        fit = sum(total <= PAGE_BYTES for total in accumulate(row["size"] for row in rows))
        return replace(page, limit=max(1, min(page.limit, fit)))

    async def _locked(self, session_id: UUID, version: int | None) -> Session:
        """Keep the session as it is until the end of the transaction."""
        session = _session(await self._one(session_id, _SELECT.with_for_update(of=S)))
        if version not in (None, session.version):
            raise PreconditionFailed(f"The session is at version {session.version}, not {version}.")
        return session

    async def _one(self, session_id: UUID, statement: Any) -> RowMapping:
        row = await self._statements.first(statement.where(self._visible, S.id == session_id))
        if row is None:
            raise _absent(session_id)
        return row


_ACTIVE = (
    select(RunRow.status)
    .where(RunRow.session_id == S.id, RunRow.status.in_(("running", "waiting")))
    .scalar_subquery()
)
_SELECT = select(
    S.id,
    S.workspace_id,
    S.user_id,
    S.end_user,
    S.agent_id,
    S.title,
    func.coalesce(_ACTIVE, "idle").label("status"),
    S.message_count,
    S.details.label("details"),
    S.version,
    S.created_at,
    S.updated_at,
)

_M = aliased(MessageRow, name="m")
_SELECT_MESSAGE = select(_M.seq, literal_column(f"{MESSAGE}::text", Text).label("told"))

_SAID_UNTIL = sql("""
    SELECT id FROM messages
    WHERE session_id = :session_id AND seq <= (
      SELECT seq FROM messages WHERE id = :message_id AND session_id = :session_id
    )
    ORDER BY seq
""")

_COPY = sql("""
    INSERT INTO messages (
      id, workspace_id, user_id, session_id, run_id, step, role, parts, citations, tool_calls,
      incomplete, created_at
    )
    SELECT made.id, m.workspace_id, :user_id, :session_id, m.run_id, m.step, m.role, m.parts, m.citations,
      coalesce(m.tool_calls, (
        SELECT coalesce(json_agg(json_build_object(
          'id', c.id, 'name', c.name, 'arguments', c.arguments, 'effect', c.effect,
          'state', CASE WHEN c.state IN ('pending', 'started') THEN 'cancelled' ELSE c.state END,
          'result', c.result, 'error', c.error
        ) ORDER BY c.n), '[]')
        FROM tool_calls c WHERE c.run_id = m.run_id AND c.step = m.step
      )),
      m.incomplete, m.created_at
    FROM unnest(cast(:said AS uuid[]), cast(:copies AS uuid[])) AS made(of, id)
    JOIN messages m ON m.id = made.of
    ORDER BY m.seq
""")

# The copy of a summary stands for the copies of what the summary stands for.
_COVER = sql("""
    WITH made AS (
      SELECT * FROM unnest(cast(:said AS uuid[]), cast(:copies AS uuid[])) AS made(of, id)
    )
    UPDATE messages c SET covers = last.seq
    FROM made
    JOIN messages summary ON summary.id = made.of AND summary.covers IS NOT NULL
    JOIN messages covered ON covered.session_id = :session_id AND covered.seq = summary.covers
    JOIN made copied ON copied.of = covered.id
    JOIN messages last ON last.id = copied.id
    WHERE c.id = made.id
""")

# A statement of its own, after the session's row is locked (the session before its runs, as everywhere):
# its snapshot has what was admitted until then.
_CANCEL_RUNS = sql(f"""
    WITH was AS (
      SELECT id, status FROM runs WHERE session_id = :session_id ORDER BY id FOR UPDATE
    ), after AS (
      UPDATE runs r SET
        hidden = true,
        cancel_at = CASE WHEN was.status IN ('queued', 'running', 'waiting')
          THEN coalesce(cancel_at, now()) ELSE cancel_at END,
        status = CASE WHEN was.status IN ('queued', 'waiting') THEN 'cancelled' ELSE r.status END,
        error = CASE WHEN was.status IN ('queued', 'waiting')
          THEN jsonb_build_object('code', 'cancelled', 'detail', cast(:reason AS text))
          ELSE error END,
        finished_at = CASE WHEN was.status IN ('queued', 'waiting') THEN now() ELSE finished_at END
      FROM was WHERE r.id = was.id
      RETURNING r.id, was.status AS was
    ), ended AS (
      SELECT after.id,
        coalesce((SELECT max(seq) FROM run_events e WHERE e.run_id = after.id), 0) AS last_seq,
        'run.cancelled' AS type, jsonb_build_object('reason', cast(:reason AS text)) AS data
      FROM after WHERE after.was IN ('queued', 'waiting')
    ), {ENDINGS}
    SELECT id FROM after WHERE was = 'running'
""")  # noqa: S608  # pieces of our own, values are bound


def _session(row: RowMapping) -> Session:
    columns = dict(row)
    return Session(metadata=msgspec.json.decode(columns.pop("details")), **columns)


def _absent(session_id: UUID) -> NotFound:
    return NotFound(f"There is no session {session_id}.")
