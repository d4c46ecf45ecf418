"""Webhooks as they are kept, and the deliveries that the ends of tasks enqueue."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from dishka import AsyncContainer
from msgspec.structs import replace

from polyagent.adapters.worker.sweep import sweep
from polyagent.domain.account import Actor
from polyagent.domain.errors import NotFound, TooManyOpen
from polyagent.domain.ids import new_id
from polyagent.domain.page import PageAsk
from polyagent.domain.task import Ended, Task, TaskError, TaskToQueue, TaskWork
from polyagent.domain.webhook import Sealed, Webhook
from polyagent.ports.journal import Journal
from polyagent.ports.queue import TaskBacklog, TaskQueue
from polyagent.ports.store import Webhooks
from polyagent.ports.tasks import TaskJournal
from tests.contract.tenant import Tenant, read_all

PAGE = PageAsk(limit=100, order="asc")
BROKEN = TaskError(code="task_failed", detail="It broke.", retryable=False)


class Hooks:
    """Webhooks of a tenant's people, and its tasks, which one worker does by hand."""

    def __init__(self, tenant: Tenant, journal: TaskJournal, runs: Journal) -> None:
        self.tenant = tenant
        self.journal = journal
        self.runs = runs
        self.worker_id = new_id()

    async def hook(self, actor: Actor, *events: str, most: int = 20, **changes: Any) -> Webhook:
        now = self.tenant.now()
        webhook = Webhook(
            id=new_id(),
            user_id=actor.user_id,
            url="https://example.com/hook",
            events=events or ("*",),
            created_at=now,
            updated_at=now,
        )
        webhook = replace(webhook, **changes)
        async with self.tenant.store.begin(actor) as tx:
            await tx.webhooks.add(webhook, b"sealed", most=most)
        return webhook

    async def get(self, actor: Actor, webhook: Webhook) -> Webhook:
        async with self.tenant.store.begin(actor) as tx:
            return await tx.webhooks.get(webhook.id)

    async def begins(self, actor: Actor, **changes: Any) -> TaskWork:
        """Enqueue a task and begin it."""
        asked = TaskToQueue(id=new_id(), user_id=actor.user_id, kind="note", payload={}, **changes)
        async with self.tenant.store.begin(actor) as tx:
            await tx.tasks.add([asked])
        return await self.claims(asked.id, asked.kind)

    async def claims(self, task_id: UUID, kind: str) -> TaskWork:
        await self.runs.beat(self.worker_id)
        (work,), _ = await self.journal.claim(self.worker_id, [task_id], [kind])
        return work

    async def finish(self, *ended: Ended) -> None:
        await self.journal.finish(ended)

    async def told(self, actor: Actor, webhook: Webhook) -> list[Task]:
        async with self.tenant.store.begin(actor) as tx:
            return (await tx.tasks.list(PAGE, webhook_id=webhook.id)).items


@pytest.fixture
async def hooks(container: AsyncContainer, tenant: Tenant) -> Hooks:
    return Hooks(tenant, await container.get(TaskJournal), await container.get(Journal))


@pytest.fixture
async def ann(tenant: Tenant) -> Actor:
    return await tenant.joins("ann")


async def test_the_ends_of_a_task_are_told(hooks: Hooks, ann: Actor) -> None:
    webhook = await hooks.hook(ann)
    works = [await hooks.begins(ann, metadata={"n": n}, unique_key=f"k{n}") for n in range(3)]
    ends = (works[0].succeeded(7), works[1].failed(BROKEN, delay_s=0), works[2].cancelled())

    for end in ends:
        await hooks.finish(end)

    told = await hooks.told(ann, webhook)
    assert [task.payload["type"] for task in told] == [
        *("task.succeeded", "task.dead", "task.cancelled")
    ]
    assert [task.payload["data"]["task_id"] for task in told] == [str(work.id) for work in works]
    assert told[1].payload["data"] == {
        "task_id": str(works[1].id),
        "kind": "note",
        "status": "dead",
        "unique_key": "k1",
        "end_user": None,
        "error": {"code": "task_failed", "detail": "It broke.", "retryable": False},
        "metadata": {"n": 1},
    }
    assert {(t.kind, t.status, t.max_attempts, t.webhook_id) for t in told} == {
        ("webhook", "queued", 10, webhook.id)
    }


async def test_what_is_delivered_can_be_claimed_and_is_not_told_itself(
    hooks: Hooks, ann: Actor
) -> None:
    webhook = await hooks.hook(ann)
    await hooks.finish((await hooks.begins(ann)).succeeded(None))
    (delivery,) = await hooks.told(ann, webhook)

    work = await hooks.claims(delivery.id, "webhook")
    await hooks.finish(work.succeeded({"status": 200}))

    assert (work.webhook_id, work.payload, work.actor) == (webhook.id, delivery.payload, ann)
    assert [task.id for task in await hooks.told(ann, webhook)] == [delivery.id]


async def test_a_delivery_waits_for_its_turn(
    container: AsyncContainer, hooks: Hooks, tenant: Tenant, ann: Actor
) -> None:
    queue, backlog = await container.get(TaskQueue), await container.get(TaskBacklog)
    bob = await tenant.joins("bob")
    webhook = await hooks.hook(ann)
    await sweep(queue, backlog)
    await queue.take(100_000, 0)
    first = TaskToQueue(id=new_id(), user_id=bob.user_id, kind="note", payload={})
    async with tenant.store.begin(bob) as tx:
        await tx.tasks.add([first])

    await hooks.finish((await hooks.begins(ann)).succeeded(None))
    await sweep(queue, backlog)

    (delivery,) = await hooks.told(ann, webhook)
    taken = [entry.id for entry in await queue.take(100_000, 0)]
    assert [id_ for id_ in taken if id_ in (first.id, delivery.id)] == [first.id, delivery.id]


async def test_a_failure_that_is_tried_again_is_no_end(hooks: Hooks, ann: Actor) -> None:
    webhook = await hooks.hook(ann)
    work = await hooks.begins(ann)

    await hooks.finish(work.failed(replace(BROKEN, retryable=True), delay_s=0))

    assert await hooks.told(ann, webhook) == []


async def test_an_end_that_is_recorded_twice_is_told_once(hooks: Hooks, ann: Actor) -> None:
    webhook = await hooks.hook(ann)
    end = (await hooks.begins(ann)).succeeded(None)

    await hooks.finish(end)
    await hooks.finish(end)

    assert len(await hooks.told(ann, webhook)) == 1


async def test_cancelling_what_waits_is_told_with_it_or_not_at_all(
    hooks: Hooks, ann: Actor
) -> None:
    webhook = await hooks.hook(ann, "task.cancelled")
    later = hooks.tenant.now() + timedelta(days=1)
    asked = [
        TaskToQueue(id=new_id(), user_id=ann.user_id, kind="note", payload={}, due_at=later)
        for _ in range(2)
    ]
    async with hooks.tenant.store.begin(ann) as tx:
        await tx.tasks.add(asked)

    with suppress(ZeroDivisionError):
        async with hooks.tenant.store.begin(ann) as tx:
            await tx.tasks.cancel(asked[0].id)
            raise ZeroDivisionError
    async with hooks.tenant.store.begin(ann) as tx:
        await tx.tasks.cancel(asked[1].id)

    (told,) = await hooks.told(ann, webhook)
    assert told.payload["data"]["task_id"] == str(asked[1].id)


async def test_the_last_attempt_of_a_dead_worker_is_told(hooks: Hooks, ann: Actor) -> None:
    webhook = await hooks.hook(ann, "task.dead")
    work = await hooks.begins(ann, max_attempts=1)

    await hooks.runs.leave(hooks.worker_id)
    other = new_id()
    await hooks.runs.beat(other)
    await hooks.journal.take_over(other)

    (told,) = await hooks.told(ann, webhook)
    assert told.payload["data"]["task_id"] == str(work.id)
    assert told.payload["data"]["error"]["code"] == "task_poisoned"


async def test_a_webhook_hears_what_it_asked_for_of_its_user_while_it_is_active(
    hooks: Hooks, tenant: Tenant, ann: Actor
) -> None:
    bob = await tenant.joins("bob", role="admin")
    silent = [
        await hooks.hook(ann, "task.dead", "run.completed"),
        await hooks.hook(ann, status="disabled"),
        await hooks.hook(bob),
    ]
    heard = await hooks.hook(ann, "run.failed", "task.succeeded")

    await hooks.finish((await hooks.begins(ann)).succeeded(None))

    assert [await hooks.told(bob, webhook) for webhook in silent] == [[], [], []]
    assert len(await hooks.told(bob, heard)) == 1


async def test_deliveries_do_not_count_as_tasks_that_wait(hooks: Hooks, ann: Actor) -> None:
    await hooks.hook(ann)
    await hooks.finish((await hooks.begins(ann)).succeeded(None))
    asked = TaskToQueue(id=new_id(), user_id=ann.user_id, kind="note", payload={})

    async with hooks.tenant.store.begin(ann) as tx:
        await tx.tasks.add([asked], most=1)
    with pytest.raises(TooManyOpen):
        async with hooks.tenant.store.begin(ann) as tx:
            await tx.tasks.add([replace(asked, id=new_id())], most=1)


async def test_a_webhook_is_kept_as_it_is_put(hooks: Hooks, ann: Actor) -> None:
    webhook = await hooks.hook(ann, "run.failed", "*", description="mine")
    now = hooks.tenant.now().replace(microsecond=7)
    changed = replace(
        webhook,
        url="https://example.com/other",
        events=("task.dead",),
        failing_since=now,
    ).disabled("It answered 500.", now)

    kept = await hooks.get(ann, webhook)
    async with hooks.tenant.store.begin(ann) as tx:
        put = await tx.webhooks.put(changed)

    assert kept == webhook
    assert put == await hooks.get(ann, webhook)
    assert replace(put, updated_at=webhook.updated_at) == changed
    assert put.updated_at >= webhook.updated_at


async def test_a_user_has_so_many_webhooks(hooks: Hooks, tenant: Tenant, ann: Actor) -> None:
    bob = await tenant.joins("bob")
    await hooks.hook(ann, most=2)
    await hooks.hook(ann, most=2)

    with pytest.raises(TooManyOpen):
        await hooks.hook(ann, most=2)
    await hooks.hook(bob, most=2)


async def test_a_secret_that_was_replaced_is_there_for_a_while(hooks: Hooks, ann: Actor) -> None:
    webhook = await hooks.hook(ann)

    async with hooks.tenant.store.begin(ann) as tx:
        first = await tx.webhooks.sealed(webhook.id)
        rotated = await tx.webhooks.rotate(webhook.id, b"second", keep_s=3600)
        second = await tx.webhooks.sealed(webhook.id)
        await tx.webhooks.rotate(webhook.id, b"third", keep_s=-1)
        third = await tx.webhooks.sealed(webhook.id)

    assert first == (webhook, Sealed(b"sealed"))
    assert replace(rotated, updated_at=webhook.updated_at) == webhook
    assert second == (rotated, Sealed(b"second", b"sealed"))
    assert third[1] == Sealed(b"third")


async def test_webhooks_are_listed_in_pages_to_whom_they_concern(
    hooks: Hooks, tenant: Tenant, abroad: Tenant, ann: Actor
) -> None:
    bob, root = await tenant.joins("bob"), await tenant.joins("root", role="admin")
    stranger = await abroad.joins("ann", role="admin")
    mine = [await hooks.hook(ann) for _ in range(3)]
    theirs = await hooks.hook(bob)

    async def listed(actor: Actor) -> list[UUID]:
        async def read(page: PageAsk) -> Any:
            async with tenant.store.begin(actor) as tx:
                return await tx.webhooks.list(page)

        return [webhook.id for webhook in await read_all(read, limit=2)]

    assert await listed(ann) == [webhook.id for webhook in reversed(mine)]
    assert await listed(root) == [theirs.id, *(webhook.id for webhook in reversed(mine))]
    assert await listed(stranger) == []


WAYS: dict[str, Callable[[Webhooks, Webhook], Awaitable[object]]] = {
    "get": lambda rows, webhook: rows.get(webhook.id),
    "sealed": lambda rows, webhook: rows.sealed(webhook.id),
    "delete": lambda rows, webhook: rows.delete(webhook.id),
    "put": lambda rows, webhook: rows.put(webhook),
    "rotate": lambda rows, webhook: rows.rotate(webhook.id, b"mine", keep_s=1),
}


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_anothers_is_not_there(
    hooks: Hooks, tenant: Tenant, abroad: Tenant, ann: Actor, way: str
) -> None:
    webhook = await hooks.hook(ann)
    others = await tenant.joins("bob"), await abroad.joins("root", role="admin")

    for other in others:
        async with tenant.store.begin(other) as tx:
            with pytest.raises(NotFound):
                await WAYS[way](tx.webhooks, webhook)

    assert await hooks.get(ann, webhook) == webhook


async def test_a_webhook_goes_with_its_user(hooks: Hooks, tenant: Tenant, ann: Actor) -> None:
    root = await tenant.joins("root", role="admin")
    webhook, other = await hooks.hook(ann), await hooks.hook(ann)

    async with tenant.store.begin(root) as tx:
        deleted = await tx.webhooks.delete(other.id)
        await tx.accounts.delete(ann.user_id)

    assert deleted == ann.user_id
    for gone in (webhook, other):
        with pytest.raises(NotFound):
            await hooks.get(root, gone)
