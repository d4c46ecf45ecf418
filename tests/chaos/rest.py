"""The database at rest: what is written down in the end."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

RUNS = """
SELECT id, seq, session_id, user_id, status, epoch, attempt, error, started_at, finished_at,
    created_at, spec->'parts'->0->>'text' AS message
FROM runs ORDER BY seq
"""
EVENTS = "SELECT run_id, seq AS id, type, data, at FROM run_events ORDER BY run_id, seq"
CALLS = """
SELECT run_id, step, n, id, idempotency_key AS key, name, arguments, effect, state, attempts, result,
    started_at, finished_at
FROM tool_calls ORDER BY run_id, step, n
"""


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    seq: int
    session_id: UUID
    user_id: UUID
    status: str
    epoch: int
    attempt: int
    error: dict[str, Any] | None
    started_at: datetime | None
    finished_at: datetime | None
    created_at: datetime
    message: str


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    run_id: UUID
    id: int
    type: str
    data: dict[str, Any]
    at: datetime


class CallRow(msgspec.Struct, frozen=True, kw_only=True):
    run_id: UUID
    step: int
    n: int
    id: str
    key: str
    name: str
    arguments: Any
    effect: str
    state: str
    attempts: int
    result: Any
    started_at: datetime | None
    finished_at: datetime | None


class Rest(msgspec.Struct, frozen=True, kw_only=True):
    """`events` are by run, in order."""

    runs: dict[str, RunRow]
    events: dict[str, list[EventRow]]
    calls: list[CallRow]

    def __add__(self, other: "Rest") -> "Rest":
        return Rest(
            runs=self.runs | other.runs,
            events=self.events | other.events,
            calls=self.calls + other.calls,
        )


async def at_rest(database_url: str) -> Rest:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("SET search_path TO polyagent")
        for kind in ("json", "jsonb"):
            await connection.set_type_codec(
                kind, schema="pg_catalog", encoder=str, decoder=msgspec.json.decode
            )
        runs = msgspec.convert(_dicts(await connection.fetch(RUNS)), list[RunRow])
        told = msgspec.convert(_dicts(await connection.fetch(EVENTS)), list[EventRow])
        calls = msgspec.convert(_dicts(await connection.fetch(CALLS)), list[CallRow])
    finally:
        await connection.close()
    events: dict[str, list[EventRow]] = {str(run.id): [] for run in runs}
    for event in told:
        events[str(event.run_id)].append(event)
    return Rest(runs={str(run.id): run for run in runs}, events=events, calls=calls)


def _dicts(records: list[asyncpg.Record]) -> list[dict[str, Any]]:
    return [dict(record) for record in records]
