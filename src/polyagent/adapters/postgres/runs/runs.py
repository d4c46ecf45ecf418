"""Runs, as those who ask for them see them."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import asyncpg
import msgspec

from polyagent.adapters.postgres.errors import translated
from polyagent.adapters.postgres.page import page_of
from polyagent.adapters.postgres.pool import Pool
from polyagent.adapters.postgres.runs import sql_runs as sql
from polyagent.adapters.postgres.runs.admission import is_fresh, run_as_told, work_on
from polyagent.adapters.postgres.runs.rows import (
    agent_of,
    entry_of,
    events_of,
    messages_of,
    run_of,
    session_of,
    summary_of,
)
from polyagent.adapters.postgres.runs.works import read_works
from polyagent.domain.account import Actor
from polyagent.domain.agent import AgentType
from polyagent.domain.chat import no_agent
from polyagent.domain.errors import (
    IdempotencyKeyReused,
    Limited,
    NotFound,
    RunFinished,
    SessionBusy,
)
from polyagent.domain.event import Event
from polyagent.domain.page import Page, PageAsk, key_of
from polyagent.domain.run import (
    CANCELLED,
    QUEUE_FULL,
    QUEUE_FULL_S,
    Admitted,
    IdempotencyKey,
    NewRun,
    Run,
    RunStatus,
    Sighting,
    Tail,
    Work,
)
from polyagent.ports.queue import Queue
from polyagent.ports.runs import NEWEST, Ground

_ENCODE = msgspec.json.Encoder().encode


class PostgresRuns:
    def __init__(self, pool: Pool, queue: Queue, *, queued_runs: int) -> None:
        self._pool = pool
        self._queue = queue
        self._queued_runs = queued_runs

    async def ground(
        self,
        actor: Actor,
        *,
        agent_id: UUID | None,
        agent_type: AgentType | None,
        session_id: UUID | None,
        end_user: str | None,
        agent_name: str | None = None,
        resting: bool = False,
    ) -> Ground:
        with translated():
            (row,) = await self._pool.fetch(
                sql.GROUND, *_rights(actor), session_id, end_user, agent_id, agent_type, agent_name
            )
        if session_id is not None and row["session"] is None:
            raise NotFound(f"There is no session {session_id}.")
        session = session_of(row["session"]) if row["session"] else None
        if row["agent"] is None:
            raise no_agent(session, agent_id or agent_name, agent_type)
        agent = agent_of(row["agent"])
        if not resting:
            agent.require_active()
        return Ground(
            agent=agent,
            session=session,
            history=messages_of(row["history"]),
            summary=summary_of(row["summary"]),
        )

    async def admit(
        self,
        actor: Actor,
        run: NewRun,
        ground: Ground,
        *,
        worker_id: UUID | None,
        key: IdempotencyKey | None = None,
    ) -> Admitted:
        with translated():
            row = await self._enter(actor, run, worker_id, key)
            if row is None:
                return await self._entered_before(actor, run, worker_id, key)
            self._offer(row["next"])
            told = run_as_told(run, row)
            if worker_id is None or told.status == "queued":
                return Admitted(run=told)
            if is_fresh(ground, row["message_count"]):
                return Admitted(run=told, work=work_on(actor, run, told, ground, worker_id))
            return Admitted(run=told, work=await self._work(run.id, worker_id))

    async def _enter(
        self, actor: Actor, run: NewRun, worker_id: UUID | None, key: IdempotencyKey | None
    ) -> asyncpg.Record | None:
        """Insert what there is to insert; None if something stands against it, and then nothing was."""
        try:
            return await self._pool.fetchrow(
                sql.ADMIT,
                actor.workspace_id,
                actor.user_id,
                _ENCODE(run).decode(),
                worker_id,
                key.key if key else None,
                key.route if key else None,
                key.body_hash if key else None,
                (key.end_user or "") if key else None,
                self._queued_runs,
            )
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name == "runs_one_active" and worker_id is not None:
                # another run of the session began in this instant: wait behind it
                return await self._enter(actor, run, None, key)
            return None

    async def _entered_before(
        self, actor: Actor, run: NewRun, worker_id: UUID | None, key: IdempotencyKey | None
    ) -> Admitted:
        (row,) = await self._pool.fetch(
            sql.ADMITTED_BEFORE,
            actor.workspace_id,
            actor.user_id,
            run.id,
            None if run.new_session else run.session_id,
            key.key if key else None,
            key.route if key else None,
            (key.end_user or "") if key else None,
        )
        if key is not None and row["body_hash"] is not None:
            _require_same(key, row["body_hash"])
        if row["id"] is None:
            raise _refused(run, row)
        told = run_of(row["run"])
        if told.id != run.id:
            return Admitted(run=told, replayed=True)
        return Admitted(run=told, work=await self._work(run.id, worker_id))

    async def replayed(self, actor: Actor, key: IdempotencyKey) -> Admitted | None:
        with translated():
            row = await self._pool.fetchrow(
                sql.REPLAYED,
                actor.workspace_id,
                actor.user_id,
                key.key,
                key.route,
                key.end_user or "",
            )
        if row is None:
            return None
        _require_same(key, row["body_hash"])
        return Admitted(run=run_of(row["run"]), replayed=True)

    async def _work(self, run_id: UUID, worker_id: UUID | None) -> Work | None:
        """Read what this worker goes on from if the run is its own, by admission."""
        works = await read_works(self._pool, self._queue, worker_id, {run_id: 1})
        return next(iter(works), None)

    async def get(self, actor: Actor, run_id: UUID) -> Run:
        with translated():
            text = await self._pool.fetchval(sql.GET, *_rights(actor), run_id)
        if text is None:
            raise NotFound(f"There is no run {run_id}.")
        return run_of(text)

    async def list(
        self,
        actor: Actor,
        page: PageAsk,
        *,
        session_id: UUID | None,
        status: RunStatus | None,
        end_user: str | None,
    ) -> Page[Run]:
        behind = None if page.cursor is None else UUID(int=key_of(page.cursor))
        asked = (session_id, status, end_user, behind, page.limit + 1)
        with translated():
            rows = await self._pool.fetch(sql.LIST[page.order], *_rights(actor), *asked)
        return page_of(rows, page, lambda row: row["id"], lambda row: run_of(row["run"]))

    async def events(
        self, actor: Actor, run_id: UUID, after: int, *, limit: int = 1000
    ) -> tuple[Run, Sequence[Event]]:
        with translated():
            row = await self._pool.fetchrow(sql.EVENTS, *_rights(actor), run_id, after, limit)
        if row is None:
            raise NotFound(f"There is no run {run_id}.")
        return run_of(row["run"]), events_of(row["events"])

    async def latest(self, actor: Actor, session_ids: Sequence[UUID]) -> Sequence[Sighting]:
        with translated():
            rows = await self._pool.fetch(sql.LATEST, *_rights(actor), session_ids, NEWEST)
        return [Sighting(row["session_id"], row["id"], row["is_final"]) for row in rows]

    async def tails(self, run_ids: Collection[UUID]) -> Mapping[UUID, Tail]:
        with translated():
            rows = await self._pool.fetch(sql.TAILS, [*run_ids])
        return {row["id"]: Tail(row["last_seq"], row["is_final"]) for row in rows}

    async def journaled(self, run_id: UUID) -> Sequence[Event]:
        with translated():
            return events_of(await self._pool.fetchval(sql.JOURNALED, run_id))

    async def cancel(self, actor: Actor, run_id: UUID) -> Run:
        error = _ENCODE(CANCELLED).decode()
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(sql.LOCK, run_id)
                row = await connection.fetchrow(sql.CANCEL, *_rights(actor), run_id, error)
        if row is not None:
            self._offer(row["next"])
            return run_of(row["run"])
        run = await self.get(actor, run_id)
        if run.status != "cancelled":
            raise RunFinished(f"The run has {run.status} already.")
        return run

    def _offer(self, next_: str | None) -> None:
        if next_ is not None:
            self._queue.offer(entry_of(next_))


def _rights(actor: Actor) -> tuple[UUID, UUID, bool]:
    return actor.workspace_id, actor.user_id, actor.is_admin


def _require_same(key: IdempotencyKey, body_hash: bytes) -> None:
    if body_hash != key.body_hash:
        raise IdempotencyKeyReused("This Idempotency-Key was used for something else.")


def _refused(run: NewRun, row: asyncpg.Record) -> NotFound | SessionBusy | Limited:
    if row["body_hash"] is not None:
        return NotFound("The run of this Idempotency-Key went away with its session.")
    if not row["has_session"]:
        return NotFound(f"There is no session {run.session_id}.")
    if run.reject_if_busy and row["is_busy"]:
        return SessionBusy("The session has a run that has not ended: wait for it, or use enqueue.")
    return Limited(QUEUE_FULL, retry_after_s=QUEUE_FULL_S)
