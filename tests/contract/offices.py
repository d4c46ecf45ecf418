"""An office over each adapter."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import asyncpg
import msgspec
from msgspec.structs import replace

from polyagent.adapters.memory.clock import ManualClock
from polyagent.adapters.memory.queue import MemoryQueue
from polyagent.adapters.memory.runs.answers import MemoryAnswers
from polyagent.adapters.memory.runs.backlog import MemoryBacklog
from polyagent.adapters.memory.runs.journal import MemoryJournal
from polyagent.adapters.memory.runs.runs import MemoryRuns
from polyagent.adapters.memory.runs.usage import MemoryUsageBook
from polyagent.adapters.memory.state import State
from polyagent.adapters.memory.store import MemoryStore
from polyagent.adapters.memory.upkeep import MemoryUpkeep
from polyagent.adapters.postgres.engine import open_engine
from polyagent.adapters.postgres.liveness import LEASE_S, Liveness
from polyagent.adapters.postgres.pool import Pool, open_pool
from polyagent.adapters.postgres.runs.answers import PostgresAnswers
from polyagent.adapters.postgres.runs.backlog import PostgresBacklog
from polyagent.adapters.postgres.runs.journal import PostgresJournal
from polyagent.adapters.postgres.runs.rows import events_of
from polyagent.adapters.postgres.runs.runs import PostgresRuns
from polyagent.adapters.postgres.runs.usage import PostgresUsageBook
from polyagent.adapters.postgres.store import PostgresStore
from polyagent.adapters.postgres.upkeep import PostgresUpkeep
from polyagent.domain.account import Account, Actor, User
from polyagent.domain.agent import Agent
from polyagent.domain.event import Event
from polyagent.domain.run import Run, Spec
from polyagent.settings import Auth, Database
from tests.contract.office import NOON, QUEUED_RUNS, USER_RUNS, Office

AUDIT_KEEP_DAYS = Auth().audit_keep_days


def _user(actor: Actor) -> User:
    """Return an application."""
    return User(
        id=actor.user_id,
        workspace_id=actor.workspace_id,
        username=f"{actor.user_id}",
        email=f"{actor.user_id}@example.org",
        role=actor.role,
        settings={"application": True},
        created_at=NOON,
        updated_at=NOON,
    )


class MemoryRows:
    def __init__(self, state: State) -> None:
        self._state = state

    async def put_agent(self, agent: Agent) -> None:
        self._state.agents[agent.id] = agent

    async def hide_session(self, session_id: UUID) -> None:
        self._state.deleted_sessions.add(session_id)
        for row in [*self._state.runs_of(session_id)]:
            self._state.runs[row.run.id] = replace(row, hidden=True)

    async def events(self, run_id: UUID) -> Sequence[Event]:
        return self._state.events[run_id]

    async def remains(self, run: Run) -> set[str]:
        state = self._state
        tables: dict[str, Mapping[UUID, object]] = {
            "runs": state.runs,
            "run_events": state.events,
            "messages": state.messages,
            "tool_calls": state.calls,
            "sessions": state.sessions,
        }
        return {name for name, table in tables.items() if table.keys() & {run.id, run.session_id}}

    async def spec(self, run_id: UUID) -> Spec:
        return self._state.runs[run_id].spec

    async def keys(self) -> int:
        return len(self._state.keys) + len(self._state.answers)

    async def expire_lease(self, worker_id: UUID) -> None:
        self._state.workers[worker_id] = float("-inf")

    async def is_application(self, actor: Actor) -> None:
        user = _user(actor)
        self._state.accounts[user.id] = Account(user=user, password_hash="none")

    async def waits(self, run_id: UUID, *, decided: bool) -> None:
        row = self._state.runs[run_id]
        waiting = replace(row.run, status="waiting")
        ready_at = NOON if decided else None
        self._state.runs[run_id] = replace(row, run=waiting, owner=None, ready_at=ready_at)

    async def expire_keys(self) -> None:
        for name, row in self._state.keys.items():
            past = row.expires_at - timedelta(days=2)
            self._state.keys[name] = replace(row, expires_at=past)
        for name, answer in self._state.answers.items():
            past = answer.expires_at - timedelta(days=2)
            self._state.answers[name] = replace(answer, expires_at=past)


class PostgresRows:
    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def put_agent(self, agent: Agent) -> None:
        await self.pool.execute(
            """
            INSERT INTO agents (id, workspace_id, user_id, name, type, visibility, status, version,
                builtin, body, created_at, updated_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::jsonb, $11, $12)
            """,
            agent.id,
            agent.workspace_id,
            agent.owner_id,
            agent.name,
            agent.type,
            agent.visibility,
            agent.status,
            agent.version,
            agent.builtin,
            msgspec.json.encode(agent.ask()).decode(),
            agent.created_at,
            agent.updated_at,
        )

    async def hide_session(self, session_id: UUID) -> None:
        await self.pool.execute("UPDATE sessions SET deleted_at = now() WHERE id = $1", session_id)
        await self.pool.execute("UPDATE runs SET hidden = true WHERE session_id = $1", session_id)

    async def events(self, run_id: UUID) -> Sequence[Event]:
        text = await self.pool.fetchval(
            """
            SELECT json_agg(json_build_object('id', e.seq, 'run_id', r.id,
                'session_id', r.session_id, 'at', e.at,
                'body', jsonb_build_object('type', e.type) || e.data) ORDER BY e.seq)::text
            FROM run_events e JOIN runs r ON r.id = e.run_id WHERE r.id = $1
            """,
            run_id,
        )
        return events_of(text)

    async def remains(self, run: Run) -> set[str]:
        row = await self.pool.fetchrow(
            """
            SELECT
                EXISTS (SELECT FROM runs WHERE id = $1) AS runs,
                EXISTS (SELECT FROM run_events WHERE run_id = $1) AS run_events,
                EXISTS (SELECT FROM messages WHERE session_id = $2) AS messages,
                EXISTS (SELECT FROM tool_calls WHERE run_id = $1) AS tool_calls,
                EXISTS (SELECT FROM sessions WHERE id = $2) AS sessions
            """,
            run.id,
            run.session_id,
        )
        assert row is not None
        return {name for name, is_there in row.items() if is_there}

    async def spec(self, run_id: UUID) -> Spec:
        text = await self.pool.fetchval("SELECT spec::text FROM runs WHERE id = $1", run_id)
        return msgspec.json.decode(text, type=Spec)

    async def keys(self) -> int:
        return int(await self.pool.fetchval("SELECT count(*) FROM idempotency_keys"))

    async def expire_lease(self, worker_id: UUID) -> None:
        sql = "UPDATE workers SET lease_until = now() - interval '1 s' WHERE id = $1"
        await self.pool.execute(sql, worker_id)

    async def is_application(self, actor: Actor) -> None:
        user = _user(actor)
        await self.pool.execute(
            """
            INSERT INTO users (id, workspace_id, username, email, role, password_hash, settings)
            VALUES ($1, $2, $3, $4, $5, 'none', $6)
            """,
            user.id,
            user.workspace_id,
            user.username,
            user.email,
            user.role,
            user.settings,
        )

    async def waits(self, run_id: UUID, *, decided: bool) -> None:
        sql = "UPDATE runs SET status = 'waiting', owner = NULL, ready_at = $2 WHERE id = $1"
        await self.pool.execute(sql, run_id, NOON if decided else None)

    async def expire_keys(self) -> None:
        await self.pool.execute("UPDATE idempotency_keys SET expires_at = now() - interval '1 s'")

    async def clear(self) -> None:
        await self.pool.execute(
            """
            TRUNCATE agents, sessions, runs, run_events, usage, messages, tool_calls, workers,
                idempotency_keys, tasks CASCADE
            """
        )


@asynccontextmanager
async def memory_office() -> AsyncIterator[Office]:
    state, clock = State(), ManualClock()
    office = Office(
        MemoryRuns(state, clock, queued_runs=QUEUED_RUNS),
        MemoryJournal(state, clock, user_runs=USER_RUNS),
        MemoryBacklog(state),
        state.queue,
        MemoryStore(state, clock),
        MemoryAnswers(state, clock),
        MemoryUpkeep(state, clock, audit_keep_days=AUDIT_KEEP_DAYS, task_keep_days=30),
        MemoryUsageBook(state),
        MemoryRows(state),
    )
    await office.opens()
    yield office


@asynccontextmanager
async def postgres_office(url: str) -> AsyncIterator[Office]:
    settings = Database(url=url)
    pool = await open_pool(settings, min_size=0)
    liveness = Liveness(settings, pool, ManualClock(), lease_s=LEASE_S)
    engine = open_engine(settings)
    rows = PostgresRows(pool)
    await rows.clear()
    queue = MemoryQueue()
    office = Office(
        PostgresRuns(pool, queue, queued_runs=QUEUED_RUNS),
        PostgresJournal(pool, liveness, queue, user_runs=USER_RUNS),
        PostgresBacklog(pool),
        queue,
        PostgresStore(engine, MemoryQueue()),
        PostgresAnswers(pool),
        PostgresUpkeep(pool, audit_keep_days=AUDIT_KEEP_DAYS, task_keep_days=30),
        PostgresUsageBook(pool),
        rows,
    )
    try:
        await office.opens()
        yield office
    finally:
        liveness.close()
        await engine.dispose()
        await pool.close()


@asynccontextmanager
async def connected(url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
        url, server_settings={"search_path": "polyagent"}
    )
    try:
        yield connection
    finally:
        await connection.close()
