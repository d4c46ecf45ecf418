"""What every store does for tasks, beside what the engine's contract says."""

from datetime import timedelta
from typing import Any

import pytest
from dishka import AsyncContainer

from polyagent.domain.account import Actor
from polyagent.domain.ids import new_id
from polyagent.domain.page import PageAsk
from polyagent.domain.task import Task, TaskError, TaskToQueue, TaskWork
from polyagent.ports.journal import Journal
from polyagent.ports.tasks import TaskJournal
from tests.contract.tenant import Tenant
from tests.contract.test_webhooks import Hooks

BROKEN = TaskError(code="task_failed", detail="It broke.")
LATER = TaskError(code="task_failed", detail="Not yet.", retryable=True)


@pytest.fixture
async def desk(container: AsyncContainer, tenant: Tenant) -> Hooks:
    return Hooks(tenant, await container.get(TaskJournal), await container.get(Journal))


async def read(desk: Hooks, work: TaskWork) -> Task:
    async with desk.tenant.store.begin(desk.tenant.system) as tx:
        return await tx.tasks.get(work.id)


async def retries(desk: Hooks, work: TaskWork) -> TaskWork:
    async with desk.tenant.store.begin(desk.tenant.system) as tx:
        await tx.tasks.retry(work.id)
    return await desk.claims(work.id, work.kind)


async def waits(desk: Hooks, actor: Actor, **changes: Any) -> Task:
    asked = TaskToQueue(id=new_id(), user_id=actor.user_id, kind="note", payload={}, **changes)
    async with desk.tenant.store.begin(actor) as tx:
        (task,) = await tx.tasks.add([asked])
    return task


async def test_what_is_tried_again_by_hand_is_asked_to_end_no_more(desk: Hooks) -> None:
    ann = await desk.tenant.joins("ann")
    work = await desk.begins(ann)
    async with desk.tenant.store.begin(ann) as tx:
        await tx.tasks.cancel(work.id)
    await desk.finish(work.failed(BROKEN, delay_s=0))

    again = await retries(desk, work)
    beat = await desk.runs.beat(desk.worker_id)
    await desk.finish(again.failed(LATER, delay_s=3600))

    assert beat.tasks[work.id] == again.attempt
    assert work.id not in beat.cancelled_tasks
    assert (await read(desk, work)).status == "retrying"


async def test_what_a_schedule_made_is_tried_again_by_hand(desk: Hooks) -> None:
    ann = await desk.tenant.joins("ann")
    work = await desk.begins(ann, schedule_id=new_id(), fire_at=desk.tenant.now())
    await desk.finish(work.failed(BROKEN, delay_s=0))

    again = await retries(desk, work)

    assert (again.attempt, again.tries) == (2, 1)


async def test_nothing_is_done_with_an_administrators_rights(desk: Hooks) -> None:
    for name, role, acts in (("a", "admin", "member"), ("v", "viewer", "viewer")):
        work = await desk.begins(await desk.tenant.joins(name, role=role))  # type: ignore[arg-type]

        assert work.actor is not None
        assert work.actor.role == acts


async def test_a_suspended_users_running_task_is_asked_to_end(desk: Hooks) -> None:
    ann, bob = await desk.tenant.joins("ann"), await desk.tenant.joins("bob")
    hers, his = await desk.begins(ann), await desk.begins(bob)
    async with desk.tenant.store.begin(desk.tenant.system) as tx:
        await tx.accounts.change(ann.user_id, status="suspended")

    beat = await desk.runs.beat(desk.worker_id)

    assert hers.id in beat.cancelled_tasks
    assert his.id not in beat.cancelled_tasks


async def test_a_deleted_users_tasks_end(desk: Hooks) -> None:
    ann, bob = await desk.tenant.joins("ann"), await desk.tenant.joins("bob")
    webhook = await desk.hook(ann)
    running, other = await desk.begins(ann), await desk.begins(bob)
    waiting = await waits(desk, ann, due_at=desk.tenant.now() + timedelta(days=1))
    async with desk.tenant.store.begin(desk.tenant.system) as tx:
        await tx.accounts.delete(ann.user_id)

    beat = await desk.runs.beat(desk.worker_id)
    async with desk.tenant.store.begin(desk.tenant.system) as tx:
        gone = await tx.tasks.get(waiting.id)

    assert running.id in beat.cancelled_tasks
    assert other.id not in beat.cancelled_tasks
    assert (gone.status, gone.error and gone.error.code) == ("cancelled", "owner_gone")
    assert await desk.told(desk.tenant.system, webhook) == []


async def test_a_page_of_large_tasks_is_cut_and_the_next_goes_on(desk: Hooks) -> None:
    ann = await desk.tenant.joins("ann")
    asked = [
        TaskToQueue(id=new_id(), user_id=ann.user_id, kind="note", payload={"a": "x" * 1_000_000})
        for _ in range(7)
    ]
    small = TaskToQueue(id=new_id(), user_id=ann.user_id, kind="note", payload={})
    async with desk.tenant.store.begin(ann) as tx:
        await tx.tasks.add([*asked, small])
        pages = [await tx.tasks.list(PageAsk(limit=100, order="asc"))]
        while cursor := pages[-1].next_cursor:
            pages.append(await tx.tasks.list(PageAsk(limit=100, order="asc", cursor=cursor)))
        last = await tx.tasks.list(PageAsk(limit=1, order="desc"))

    assert [task.id for page in pages for task in page.items] == [
        *(each.id for each in asked),
        small.id,
    ]
    assert [task.id for task in last.items] == [small.id]
    assert max(len(page.items) for page in pages) <= 5


async def test_what_the_queue_names_twice_is_begun_once(desk: Hooks) -> None:
    ann = await desk.tenant.joins("ann")
    task = await waits(desk, ann)

    works, _ = await desk.journal.claim(desk.worker_id, [task.id, task.id], ["note"])

    assert [(work.id, work.attempt) for work in works] == [(task.id, 1)]
