"""Runs that another version of the server left behind."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from polyagent.adapters.postgres.pool import Pool
from polyagent.domain.event import RunFailed, ToolCompleted
from polyagent.domain.response_format import JsonObject
from tests.contract.office import Office
from tests.contract.offices import postgres_office

HOLOGRAM = '[{"type": "hologram"}]'
ODD = [
    '{"type": "grammar"}',
    "{}",
    '{"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}',
    '{"type": "json_schema", "json_schema": {"name": "my name", "schema": {}}}',
]


@pytest.fixture
async def office(postgres_url: str) -> AsyncIterator[Office]:
    async with postgres_office(postgres_url) as office:
        yield office


@pytest.mark.parametrize(
    ("stored", "meant"), [('{"type": "text"}', None), ('{"type": "json_object"}', JsonObject())]
)
async def test_a_form_of_before_means_what_it_meant(
    stored: str, meant: object, office: Office, pool: Pool
) -> None:
    run = await office.queues()
    await _has_format(pool, run.id, stored)

    (work,) = await office.claims(queued=[run.id])

    assert work.spec.response_format == meant


@pytest.mark.parametrize("odd", ODD)
async def test_a_run_that_cannot_be_read_fails_alone(odd: str, office: Office, pool: Pool) -> None:
    runs = [await office.queues() for _ in range(3)]
    behind = await office.queues("more", runs[1].session_id)
    await _has_format(pool, runs[1].id, odd)
    await office.turns()

    works = await office.claims(queued=[run.id for run in runs])

    assert [work.run.id for work in works] == [runs[0].id, runs[2].id]
    run = await office.runs.get(office.alice, runs[1].id)
    assert run.error is not None
    assert (run.status, run.error.code) == ("failed", "run_unreadable")
    assert "$.response_format" in run.error.detail
    last = (await office.story(run.id))[-1]
    assert last == RunFailed("run_unreadable", run.error.detail, retryable=False)
    assert await office.turns() == [behind.id]


async def test_the_calls_of_a_run_that_cannot_be_read_are_cancelled(
    office: Office, pool: Pool
) -> None:
    work = await office.works()
    (call,) = await office.calls(work, "read")
    await pool.execute("UPDATE messages SET parts = $1::text::jsonb", HOLOGRAM)
    await office.journal.hand_over(work.lease)

    assert await office.claims() == []

    assert await office.numbers(work.run.id) == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)]
    voided, failed = (await office.story(work.run.id))[-2:]
    assert voided == ToolCompleted(call.id, "cancelled")
    assert isinstance(failed, RunFailed)


async def _has_format(pool: Pool, run_id: UUID, stored: str) -> None:
    await pool.execute(
        """
        UPDATE runs SET spec = jsonb_set(spec::jsonb, '{response_format}', $2::text::jsonb)
        WHERE id = $1
        """,
        run_id,
        stored,
    )
