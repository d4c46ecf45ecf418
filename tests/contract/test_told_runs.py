"""Each end of a run is told to its user's webhooks, by whatever ends it, and with it or not at all."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest

from polyagent.domain.account import Account, Actor, User
from polyagent.domain.errors import Fenced
from polyagent.domain.ids import new_id
from polyagent.domain.page import PageAsk
from polyagent.domain.run import MAX_STALLS, StepRecord
from polyagent.domain.usage import Usage
from polyagent.domain.webhook import Webhook
from tests.contract.office import NOON, Office, cancelled, failed, final

PAGE = PageAsk(limit=100, order="asc")
End = Callable[[Office], Awaitable[UUID]]


async def webhook_of(office: Office, *events: str) -> Webhook:
    """Make a webhook of alice's, who gets an account."""
    alice = office.alice
    user = User(
        id=alice.user_id,
        workspace_id=alice.workspace_id,
        username=f"alice {alice.user_id}",
        email=f"{alice.user_id}@example.org",
        role="member",
        created_at=NOON,
        updated_at=NOON,
    )
    webhook = Webhook(
        id=new_id(),
        user_id=user.id,
        url="https://example.com",
        events=events or ("*",),
        created_at=NOON,
        updated_at=NOON,
    )
    async with office.store.begin(Actor.system()) as tx:
        await tx.accounts.add(Account(user=user, password_hash="none"))
    async with office.store.begin(alice) as tx:
        await tx.webhooks.add(webhook, b"sealed", most=1)
    return webhook


async def told(office: Office, webhook: Webhook) -> list[dict[str, Any]]:
    async with office.store.begin(office.alice) as tx:
        found = await tx.tasks.list(PAGE, webhook_id=webhook.id)
    return [task.payload for task in found.items]


async def completes(office: Office) -> UUID:
    work = await office.works()
    await office.answers(work)
    return work.run.id


async def fails(office: Office) -> UUID:
    work = await office.works()
    await office.journal.commit_step(work.lease, failed(work))
    return work.run.id


async def is_cancelled(office: Office) -> UUID:
    work = await office.works()
    await office.runs.cancel(office.alice, work.run.id)
    await office.journal.commit_step(work.lease, cancelled(work))
    return work.run.id


async def is_cancelled_in_the_queue(office: Office) -> UUID:
    run = await office.queues()
    await office.runs.cancel(office.alice, run.id)
    return run.id


async def goes_with_its_session(office: Office) -> UUID:
    run = await office.queues()
    assert run.session_id is not None
    async with office.store.begin(office.alice) as tx:
        await tx.sessions.delete(run.session_id)
    return run.id


async def kills_its_workers(office: Office) -> UUID:
    work = await office.works()
    for n in range(MAX_STALLS):
        await office.rows.expire_lease(work.lease.worker_id)
        taker = new_id()
        await office.journal.beat(taker)
        found = await office.claims(taker, dead_owners=True, run_id=work.run.id)
        work = found[0] if n + 1 < MAX_STALLS else work
    return work.run.id


async def waits(office: Office) -> UUID:
    work = await office.works()
    record = StepRecord(step=1, status="waiting", usage=Usage())
    await office.journal.commit_step(work.lease, record)
    return work.run.id


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (completes, "completed"),
        (fails, "failed"),
        (is_cancelled, "cancelled"),
        (is_cancelled_in_the_queue, "cancelled"),
        (goes_with_its_session, "cancelled"),
        (kills_its_workers, "failed"),
        (waits, "waiting"),
    ],
)
async def test_an_end_is_told(office: Office, end: End, status: str) -> None:
    webhook = await webhook_of(office, f"run.{status}")

    run_id = await end(office)

    (payload,) = await told(office, webhook)
    assert payload["type"] == f"run.{status}"
    assert {*payload} == {"type", "timestamp", "data"}
    assert {*payload["data"]} == {
        *("run_id", "session_id", "agent_id", "status", "end_user", "error", "metadata")
    }
    assert (payload["data"]["run_id"], payload["data"]["status"]) == (str(run_id), status)
    assert (payload["data"]["error"] is not None) == (end in (fails, kills_its_workers, *DROPPED))


DROPPED = (is_cancelled_in_the_queue, goes_with_its_session)


async def test_what_it_does_not_hear_of_is_not_told(office: Office) -> None:
    webhook = await webhook_of(office, "run.failed")

    for end in (completes, is_cancelled, goes_with_its_session):
        await end(office)

    assert await told(office, webhook) == []


async def test_a_step_that_is_written_again_tells_once(office: Office) -> None:
    webhook = await webhook_of(office)
    work = await office.works()
    record = final(work, "hi")

    await office.journal.commit_step(work.lease, record)
    await office.journal.commit_step(work.lease, record)

    assert len(await told(office, webhook)) == 1


async def test_who_was_fenced_tells_nothing(office: Office) -> None:
    webhook = await webhook_of(office)
    work = await office.works()
    taken = await office.takes_over(work)

    with pytest.raises(Fenced):
        await office.journal.commit_step(work.lease, final(work, "late"))
    before = await told(office, webhook)
    await office.journal.commit_step(taken.lease, final(taken, "hi"))

    assert before == []
    assert len(await told(office, webhook)) == 1


async def test_a_deletion_that_is_rolled_back_tells_nothing(office: Office) -> None:
    webhook = await webhook_of(office)
    run = await office.queues()
    assert run.session_id is not None

    with suppress(ZeroDivisionError):
        async with office.store.begin(office.alice) as tx:
            await tx.sessions.delete(run.session_id)
            raise ZeroDivisionError

    assert await told(office, webhook) == []
    assert await office.status(run.id) == "queued"
