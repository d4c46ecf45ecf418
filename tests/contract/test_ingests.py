"""However the tasks of a document end: once none is left it is indexed or has failed, and says why."""

import random
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from dishka import AsyncContainer
from msgspec.structs import replace

from polyagent.domain.account import Actor
from polyagent.domain.documents.document import INDEX_LOST, Build, Document
from polyagent.domain.errors import Fenced
from polyagent.domain.ids import new_id
from polyagent.domain.page import PageAsk
from polyagent.domain.task import OWNER_GONE, TaskError, TaskToQueue, TaskWork
from polyagent.ports.journal import Journal
from polyagent.ports.tasks import TaskJournal
from polyagent.settings import Database
from tests.contract.tenant import Tenant, chunks_of

BROKEN = TaskError(code="document_damaged", detail="It is no PDF.")
AGAIN = replace(BROKEN, retryable=True)
ALL = PageAsk(limit=100, order="asc")


class Ingests:
    """Documents of one user, and tasks that index them, done by hand."""

    def __init__(
        self, tenant: Tenant, ann: Actor, tasks: TaskJournal, runs: Journal, url: str
    ) -> None:
        self.tenant = tenant
        self.ann = ann
        self.tasks = tasks
        self._runs = runs
        self.url = url
        self.worker_id = new_id()

    async def document(self, task_id: UUID | None = None) -> Document:
        document = self.tenant.document(self.ann)
        async with self.tenant.store.begin(self.ann) as tx:
            blob = f"blob of {document.id}"
            added, _ = await tx.documents.add(document, blob, most_bytes=10**6, task_id=task_id)
        return added

    async def task(
        self, document: Document, task_id: UUID | None = None, *, told: str = "", **more: Any
    ) -> UUID:
        payload = {"document_id": told or str(document.id)}
        asked = TaskToQueue(
            id=task_id or new_id(), user_id=self.ann.user_id, kind="ingest", payload=payload, **more
        )
        async with self.tenant.store.begin(self.ann) as tx:
            await tx.tasks.add([asked])
        return asked.id

    async def claim(self, task_id: UUID) -> TaskWork | None:
        await self._runs.beat(self.worker_id)
        works, _ = await self.tasks.claim(self.worker_id, [task_id], ["ingest"])
        return works[0] if works else None

    async def begins(self, task_id: UUID) -> TaskWork:
        work = await self.claim(task_id)
        assert work is not None
        return work

    async def build(self, document: Document, work: TaskWork) -> Build:
        build = await self.tenant.indexes.begin(self.ann, document.id, work.id, work.attempt)
        await self.tenant.indexes.write(build, chunks_of(document, "half"), progress=0.5)
        return build

    async def cancel(self, task_id: UUID) -> None:
        async with self.tenant.store.begin(self.ann) as tx:
            await tx.tasks.cancel(task_id)

    async def worker_dies(self) -> None:
        await self._runs.leave(self.worker_id)
        other = new_id()
        await self._runs.beat(other)
        await self.tasks.take_over(other)
        await self._runs.leave(other)

    async def delete(self, task_id: UUID) -> None:
        """Take the row of a task away by hand."""
        connection = await asyncpg.connect(self.url)
        await connection.execute("DELETE FROM polyagent.tasks WHERE id = $1", task_id)
        await connection.close()

    async def now(self, document: Document) -> Document:
        async with self.tenant.store.begin(self.ann) as tx:
            return await tx.documents.get(document.id)

    async def texts(self, document: Document) -> list[str]:
        async with self.tenant.store.begin(self.ann) as tx:
            return [chunk.text for chunk in (await tx.documents.chunks(document.id, ALL)).items]

    async def is_live(self, task_id: UUID) -> bool:
        async with self.tenant.store.begin(self.ann) as tx:
            return (await tx.tasks.get(task_id)).is_live


@pytest.fixture
async def ingests(container: AsyncContainer, tenant: Tenant, database: Database) -> Ingests:
    tasks, runs = await container.get(TaskJournal), await container.get(Journal)
    return Ingests(tenant, await tenant.joins("ann"), tasks, runs, database.url or "")


End = Callable[[Ingests, TaskWork], Awaitable[None]]


async def _dies(ingests: Ingests, work: TaskWork) -> None:
    await ingests.tasks.finish([work.failed(BROKEN, delay_s=0)])


async def _is_given_up(ingests: Ingests, work: TaskWork) -> None:
    await ingests.tasks.finish([work.failed(AGAIN, delay_s=0)])


async def _has_no_owner(ingests: Ingests, work: TaskWork) -> None:
    await ingests.tasks.finish([work.failed(OWNER_GONE, delay_s=0)])


async def _is_cancelled(ingests: Ingests, work: TaskWork) -> None:
    await ingests.cancel(work.id)
    await ingests.tasks.finish([work.cancelled()])


async def _is_cancelled_and_tried_again(ingests: Ingests, work: TaskWork) -> None:
    await ingests.cancel(work.id)
    await ingests.tasks.finish([work.failed(AGAIN, delay_s=0)])


async def _is_done_without_an_index(ingests: Ingests, work: TaskWork) -> None:
    await ingests.tasks.finish([work.succeeded(None)])


async def _loses_its_worker(ingests: Ingests, _: TaskWork) -> None:
    await ingests.worker_dies()


async def _is_cancelled_and_loses_its_worker(ingests: Ingests, work: TaskWork) -> None:
    await ingests.cancel(work.id)
    await ingests.worker_dies()


ENDS: dict[str, tuple[End, str]] = {
    "dead": (_dies, BROKEN.code),
    "given up": (_is_given_up, BROKEN.code),
    "nobody's": (_has_no_owner, OWNER_GONE.code),
    "cancelled": (_is_cancelled, "cancelled"),
    "cancelled before another attempt": (_is_cancelled_and_tried_again, BROKEN.code),
    "done without an index": (_is_done_without_an_index, INDEX_LOST.code),
    "poisoned": (_loses_its_worker, "task_poisoned"),
    "cancelled and lost": (_is_cancelled_and_loses_its_worker, ""),
}


@pytest.mark.parametrize("has_begun", [False, True])
@pytest.mark.parametrize("end", ENDS)
async def test_a_document_has_an_end_when_its_task_has(
    ingests: Ingests, end: str, has_begun: bool
) -> None:
    task_id = new_id()
    document = await ingests.document(task_id)
    await ingests.task(document, task_id, max_attempts=1)
    work = await ingests.begins(task_id)
    if has_begun:
        await ingests.build(document, work)
    ends, code = ENDS[end]

    await ends(ingests, work)

    failed = await ingests.now(document)
    assert not await ingests.is_live(task_id)
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.code == code or not code
    assert (failed.chunk_count, await ingests.texts(document)) == (0, [])


@pytest.mark.parametrize("end", ENDS)
async def test_whoever_goes_on_after_the_end_is_fenced_off(ingests: Ingests, end: str) -> None:
    document, task_id = await ingests.document(), new_id()
    first = await ingests.begins(await ingests.task(document))
    await ingests.tenant.indexes.finish(await ingests.build(document, first))
    await ingests.tasks.finish([first.succeeded(None)])
    await ingests.task(document, task_id, max_attempts=1)
    work = await ingests.begins(task_id)
    build = await ingests.build(document, work)

    await ENDS[end][0](ingests, work)

    with pytest.raises(Fenced):
        await ingests.tenant.indexes.write(build, chunks_of(document, "more"), progress=0.9)
    with pytest.raises(Fenced):
        await ingests.tenant.indexes.finish(build)
    kept = await ingests.now(document)
    assert (kept.status, kept.chunk_count) == ("failed", 1)
    assert await ingests.texts(document) == ["half"]


async def test_a_document_has_an_end_when_its_task_is_deleted(ingests: Ingests) -> None:
    if not ingests.url:
        pytest.skip("nobody deletes rows by hand in memory")
    task_id = new_id()
    document = await ingests.document(task_id)
    await ingests.task(document, task_id)

    await ingests.delete(task_id)

    failed = await ingests.now(document)
    assert (failed.status, failed.error) == ("failed", INDEX_LOST)


@pytest.mark.parametrize("form", [str.upper, lambda told: told.replace("-", "")])
async def test_a_payload_may_write_the_id_in_any_form(
    ingests: Ingests, form: Callable[[str], str]
) -> None:
    document = await ingests.document()
    work = await ingests.begins(await ingests.task(document, told=form(str(document.id))))
    await ingests.build(document, work)

    await _dies(ingests, work)

    assert (await ingests.now(document)).status == "failed"


async def test_the_end_of_an_older_task_leaves_what_waits_for_a_newer(ingests: Ingests) -> None:
    old, new = new_id(), new_id()
    document = await ingests.document(old)
    work = await ingests.begins(await ingests.task(document, old))
    async with ingests.tenant.store.begin(ingests.ann) as tx:
        await tx.documents.renew(document.id, new)

    await _dies(ingests, work)
    waiting = await ingests.now(document)
    await ingests.task(document, new)
    await ingests.cancel(new)

    assert waiting.status == "uploaded"
    assert (await ingests.now(document)).status == "failed"


async def test_an_attempt_that_is_over_begins_nothing(ingests: Ingests) -> None:
    """A process that slept through its lease wakes up before its first statement."""
    task_id = new_id()
    document = await ingests.document(task_id)
    await ingests.task(document, task_id)
    late = await ingests.begins(task_id)
    await ingests.worker_dies()
    work = await ingests.begins(task_id)
    build = await ingests.build(document, work)

    with pytest.raises(Fenced):
        await ingests.tenant.indexes.begin(ingests.ann, document.id, late.id, late.attempt)
    await ingests.tenant.indexes.finish(build)

    assert await ingests.texts(document) == ["half"]


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_becomes_of_its_tasks_a_document_has_an_end(
    ingests: Ingests, seed: int
) -> None:
    chance = random.Random(seed)  # a test's order
    document = await ingests.document()
    tasks = [new_id() for _ in range(3)]
    for task_id in tasks:
        async with ingests.tenant.store.begin(ingests.ann) as tx:
            await tx.documents.renew(document.id, task_id)
        await ingests.task(document, task_id, max_attempts=2)
    works: dict[UUID, TaskWork] = {}

    while live := [task_id for task_id in tasks if await ingests.is_live(task_id)]:
        await _something(ingests, document, chance.choice(live), works, chance)

    settled = await ingests.now(document)
    assert settled.status in ("indexed", "failed")
    assert len(await ingests.texts(document)) == settled.chunk_count


async def _something(
    ingests: Ingests,
    document: Document,
    task_id: UUID,
    works: dict[UUID, TaskWork],
    chance: random.Random,
) -> None:
    """Claim, build, finish, or end a task; whose attempt was taken over goes on with the old one."""
    work = works.get(task_id)
    if work is None or chance.random() < 0.2:
        works[task_id] = await ingests.claim(task_id) or work or await ingests.begins(task_id)
        return
    try:
        build = await ingests.build(document, work)
        if chance.random() < 0.3:
            await ingests.tenant.indexes.finish(build)
            await ingests.tasks.finish([work.succeeded({})])
            return
    except Fenced:
        await ingests.tasks.finish([work.succeeded(None)])
        works.pop(task_id)
        return
    if chance.random() < 0.5:
        end, _ = ENDS[chance.choice([*ENDS])]
        await end(ingests, work)
        works.pop(task_id)
