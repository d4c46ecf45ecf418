"""Documents as they are kept, and their indexes while they are built."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from dishka import AsyncContainer
from msgspec.structs import replace

from polyagent.domain.account import Actor
from polyagent.domain.documents.document import Document
from polyagent.domain.errors import (
    Fenced,
    Forbidden,
    NotFound,
    PreconditionFailed,
    QuotaExceeded,
)
from polyagent.domain.ids import new_id
from polyagent.domain.page import PageAsk
from polyagent.domain.task import TaskError, TaskToQueue, TaskWork
from polyagent.ports.journal import Journal
from polyagent.ports.tasks import TaskJournal
from tests.contract.tenant import Tenant, chunks_of

ALL = PageAsk(limit=100, order="asc")
ROOM = 10**6
BROKEN = TaskError(code="document_damaged", detail="It is no PDF.")


async def _add(
    tenant: Tenant, actor: Actor, document: Document, *, most_bytes: int = ROOM
) -> tuple[Document, bool]:
    async with tenant.store.begin(actor) as tx:
        return await tx.documents.add(document, f"blob of {document.id}", most_bytes=most_bytes)


async def _added(tenant: Tenant, actor: Actor, **changes: Any) -> Document:
    document, _ = await _add(tenant, actor, tenant.document(actor, **changes))
    return document


async def _get(tenant: Tenant, actor: Actor, document: Document) -> Document:
    async with tenant.store.begin(actor) as tx:
        return await tx.documents.get(document.id)


async def _texts(tenant: Tenant, actor: Actor, document: Document) -> list[str]:
    async with tenant.store.begin(actor) as tx:
        return [chunk.text for chunk in (await tx.documents.chunks(document.id, ALL)).items]


async def test_a_document_is_kept_as_it_was_given(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    new = tenant.document(ann, metadata={"year": 2026}, collection="law", filename="Vertrag ü.pdf")

    added, is_new = await _add(tenant, ann, new)

    assert is_new
    assert added == new == await _get(tenant, ann, new)
    async with tenant.store.begin(ann) as tx:
        assert await tx.documents.blob(new.id) == f"blob of {new.id}"


@pytest.mark.parametrize("collection", [None, "law"])
async def test_of_many_who_add_the_same_bytes_one_does(
    tenant: Tenant, collection: str | None
) -> None:
    ann = await tenant.joins("ann")
    first = tenant.document(ann, collection=collection)
    many = [replace(first, id=new_id(), filename=f"{n}.txt") for n in range(12)]

    done = await asyncio.gather(*(_add(tenant, ann, one) for one in many))

    assert len({document.id for document, _ in done}) == 1
    assert sorted(is_new for _, is_new in done) == [False] * 11 + [True]


async def test_another_collection_or_owner_has_its_own(tenant: Tenant) -> None:
    ann, ben = await tenant.joins("ann"), await tenant.joins("ben")
    first = await _added(tenant, ann)

    others = [
        await _add(tenant, ann, replace(first, id=new_id(), collection="law")),
        await _add(tenant, ben, replace(first, id=new_id(), owner_id=ben.user_id)),
    ]

    assert all(is_new for _, is_new in others)
    assert len({first.id, *(document.id for document, _ in others)}) == 3


async def test_there_is_room_for_so_many_bytes_of_a_user(tenant: Tenant) -> None:
    ann, ben = await tenant.joins("ann"), await tenant.joins("ben")
    await _added(tenant, ann, size_bytes=60)

    with pytest.raises(QuotaExceeded):
        await _add(tenant, ann, tenant.document(ann, size_bytes=41), most_bytes=100)
    await _add(tenant, ann, tenant.document(ann, size_bytes=40), most_bytes=100)
    await _add(tenant, ben, tenant.document(ben, size_bytes=100), most_bytes=100)


async def test_an_index_is_in_use_once_it_is_finished(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    document = await _added(tenant, ann)

    build = await tenant.indexes.begin(ann, document.id, new_id())
    begun = await _get(tenant, ann, document)
    await tenant.indexes.write(build, chunks_of(document, "a", "b"), progress=0.5)
    await tenant.indexes.write(build, chunks_of(document, "c", first=2), progress=0.9)
    half, nothing = await _get(tenant, ann, document), await _texts(tenant, ann, document)
    await tenant.indexes.finish(build)
    done = await _get(tenant, ann, document)

    assert build.blob == f"blob of {document.id}"
    assert build.document == begun
    assert (begun.status, begun.progress) == ("processing", 0)
    assert (half.status, half.progress, half.chunk_count, nothing) == ("processing", 0.9, 0, [])
    assert (done.status, done.progress, done.chunk_count) == ("indexed", 1, 3)
    assert done.indexed_at is not None
    assert await _texts(tenant, ann, document) == ["a", "b", "c"]


async def test_chunks_are_what_was_written(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    document = await _added(tenant, ann)
    build = await tenant.indexes.begin(ann, document.id, new_id())
    written = [*chunks_of(document, "a"), replace(*chunks_of(document, "b", first=1), page=None)]

    await tenant.indexes.write(build, written, progress=1)
    await tenant.indexes.finish(build)

    async with tenant.store.begin(ann) as tx:
        first = await tx.documents.chunks(document.id, PageAsk(limit=1, order="asc"))
        behind = PageAsk(limit=1, order="asc", cursor=first.next_cursor)
        rest = await tx.documents.chunks(document.id, behind)
    assert [*first.items, *rest.items] == written
    assert rest.next_cursor is None


async def test_while_it_is_indexed_again_the_index_before_is_in_use(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    document = await _added(tenant, ann)
    await tenant.indexed(ann, document, "old")

    async with tenant.store.begin(ann) as tx:
        renewed = await tx.documents.renew(document.id)
    build = await tenant.indexes.begin(ann, document.id, new_id())
    await tenant.indexes.write(build, chunks_of(document, "new"), progress=0.5)
    during = await _texts(tenant, ann, document)
    await tenant.indexes.finish(build)

    assert (renewed.status, renewed.progress, renewed.chunk_count) == ("uploaded", 0, 1)
    assert during == ["old"]
    assert await _texts(tenant, ann, document) == ["new"]


async def test_a_task_that_begins_again_takes_no_progress_back(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    document = await _added(tenant, ann)
    task_id = new_id()
    died = await tenant.indexes.begin(ann, document.id, task_id)
    await tenant.indexes.write(died, chunks_of(document, "half"), progress=0.5)

    build = await tenant.indexes.begin(ann, document.id, task_id)
    begun = await _get(tenant, ann, document)
    await tenant.indexes.write(build, chunks_of(document, "a"), progress=0.25)
    behind = await _get(tenant, ann, document)
    await tenant.indexes.write(build, chunks_of(document, "b", first=1), progress=0.75)
    ahead = await _get(tenant, ann, document)
    await tenant.indexes.begin(ann, document.id, new_id())
    another = await _get(tenant, ann, document)

    told = [each.progress for each in (begun, behind, ahead, another)]
    assert told == [0.5, 0.5, 0.75, 0]


async def test_who_was_overtaken_writes_nothing_more(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    document = await _added(tenant, ann)
    slow = await tenant.indexes.begin(ann, document.id, new_id())
    await tenant.indexes.write(slow, chunks_of(document, "slow"), progress=0.5)

    fast = await tenant.indexes.begin(ann, document.id, new_id())
    with pytest.raises(Fenced):
        await tenant.indexes.write(slow, chunks_of(document, "late", first=1), progress=0.9)
    with pytest.raises(Fenced):
        await tenant.indexes.finish(slow)
    await tenant.indexes.write(fast, chunks_of(document, "fast"), progress=0.5)
    await tenant.indexes.finish(fast)

    assert await _texts(tenant, ann, document) == ["fast"]


async def test_a_reader_sees_the_old_index_or_the_new_one(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    document = await _added(tenant, ann)
    await tenant.indexed(ann, document, "one", "two")
    done = asyncio.Event()

    async def reads() -> set[int]:
        seen = set()
        while not done.is_set():
            seen.add(len(await _texts(tenant, ann, document)))
            await asyncio.sleep(0)
        return seen

    readers = [asyncio.create_task(reads()) for _ in range(4)]
    for _ in range(40):
        await tenant.indexed(ann, document, "one", "two")
        await asyncio.sleep(0)
    done.set()

    assert set().union(*await asyncio.gather(*readers)) == {2}


async def test_deleting_wins_over_indexing(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    document = await _added(tenant, ann)
    build = await tenant.indexes.begin(ann, document.id, new_id())
    await tenant.indexes.write(build, chunks_of(document, "a"), progress=0.5)

    async with tenant.store.begin(ann) as tx:
        blob = await tx.documents.delete(document.id, version=None)

    assert blob == build.blob
    with pytest.raises(Fenced):
        await tenant.indexes.write(build, chunks_of(document, "b", first=1), progress=0.9)
    with pytest.raises(Fenced):
        await tenant.indexes.finish(build)
    with pytest.raises(NotFound):
        await tenant.indexes.begin(ann, document.id, new_id())
    with pytest.raises(NotFound):
        await _texts(tenant, ann, document)
    _, is_new = await _add(tenant, ann, replace(document, id=new_id()))
    assert is_new


async def test_it_is_deleted_only_at_the_version_that_was_seen(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    document = await _added(tenant, ann)
    await tenant.indexed(ann, document, "a")

    async with tenant.store.begin(ann) as tx:
        with pytest.raises(PreconditionFailed):
            await tx.documents.delete(document.id, version=document.version)
        now = await tx.documents.get(document.id)
        await tx.documents.delete(document.id, version=now.version)


async def test_others_see_what_is_shared_and_change_nothing(tenant: Tenant) -> None:
    ann, ben = await tenant.joins("ann"), await tenant.joins("ben")
    shared = await _added(tenant, ann, visibility="shared")
    await tenant.indexed(ann, shared, "for all")

    async with tenant.store.begin(ben) as tx:
        assert [d.id for d in (await tx.documents.list(ALL)).items] == [shared.id]
        with pytest.raises(Forbidden):
            await tx.documents.delete(shared.id, version=None)
        with pytest.raises(Forbidden):
            await tx.documents.renew(shared.id)
    with pytest.raises(NotFound):
        await tenant.indexes.begin(ben, shared.id, new_id())
    assert await _texts(tenant, ben, shared) == ["for all"]


async def test_an_administrator_may_index_anew_what_is_anothers(tenant: Tenant) -> None:
    ann, root = await tenant.joins("ann"), await tenant.joins("root", role="admin")
    document = await _added(tenant, ann)

    build = await tenant.indexes.begin(root, document.id, new_id())

    assert build.document.owner_id == ann.user_id


async def test_lists_are_of_a_status_and_a_collection(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    law = await _added(tenant, ann, collection="law")
    done = await _added(tenant, ann)
    await tenant.indexed(ann, done, "a")

    async with tenant.store.begin(ann) as tx:
        of_law = await tx.documents.list(ALL, collection="law")
        indexed = await tx.documents.list(ALL, status="indexed")
        neither = await tx.documents.list(ALL, status="failed", collection="law")

    assert [d.id for d in of_law.items] == [law.id]
    assert [d.id for d in indexed.items] == [done.id]
    assert neither.items == []


async def test_the_names_that_documents_have_are_known(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    document = await _added(tenant, ann)

    known = await tenant.indexes.known([f"blob of {document.id}", "an orphan"])

    assert known == {f"blob of {document.id}"}


async def test_a_document_goes_with_its_owner(tenant: Tenant) -> None:
    ann, root = await tenant.joins("ann"), await tenant.joins("root", role="admin")
    document = await _added(tenant, ann)
    await tenant.indexed(ann, document, "a")

    async with tenant.store.begin(root) as tx:
        await tx.accounts.delete(ann.user_id)

    with pytest.raises(NotFound):
        await _get(tenant, root, document)


class Ingests:
    """Tasks that index documents, done by hand."""

    def __init__(self, tenant: Tenant, tasks: TaskJournal, runs: Journal) -> None:
        self._tenant = tenant
        self._tasks = tasks
        self._runs = runs

    async def begin(self, actor: Actor, document_id: UUID) -> TaskWork:
        payload = {"document_id": str(document_id)}
        asked = TaskToQueue(id=new_id(), user_id=actor.user_id, kind="ingest", payload=payload)
        async with self._tenant.store.begin(actor) as tx:
            await tx.tasks.add([asked])
        worker_id = new_id()
        await self._runs.beat(worker_id)
        (work,), _ = await self._tasks.claim(worker_id, [asked.id], ["ingest"])
        return work

    async def fail(self, work: TaskWork, error: TaskError = BROKEN) -> None:
        await self._tasks.finish([work.failed(error, delay_s=0)])


@pytest.fixture
async def ingests(container: AsyncContainer, tenant: Tenant) -> Ingests:
    return Ingests(tenant, await container.get(TaskJournal), await container.get(Journal))


async def test_a_task_that_dies_fails_its_document(tenant: Tenant, ingests: Ingests) -> None:
    ann = await tenant.joins("ann")
    document = await _added(tenant, ann)
    work = await ingests.begin(ann, document.id)
    build = await tenant.indexes.begin(ann, document.id, work.id)
    await tenant.indexes.write(build, chunks_of(document, "half"), progress=0.5)

    await ingests.fail(work)

    failed = await _get(tenant, ann, document)
    assert (failed.status, failed.error, failed.chunk_count) == ("failed", BROKEN, 0)
    again, is_new = await _add(tenant, ann, replace(document, id=new_id()))
    assert (again.id, again.status, again.error, is_new) == (document.id, "uploaded", None, True)


async def test_what_failed_under_a_wrong_name_begins_anew_under_another(
    tenant: Tenant, ingests: Ingests
) -> None:
    ann = await tenant.joins("ann")
    document = await _added(tenant, ann, filename="a.html", content_type="text/html")
    work = await ingests.begin(ann, document.id)
    await tenant.indexes.begin(ann, document.id, work.id)
    await ingests.fail(work)
    right = replace(document, id=new_id(), filename="a.txt", content_type="text/plain")

    again, is_new = await _add(tenant, ann, right)

    assert (again.id, is_new, again.status) == (document.id, True, "uploaded")
    assert (again.filename, again.content_type) == ("a.txt", "text/plain")


async def test_a_task_that_is_tried_again_fails_nothing(tenant: Tenant, ingests: Ingests) -> None:
    ann = await tenant.joins("ann")
    document = await _added(tenant, ann)
    work = await ingests.begin(ann, document.id)

    await ingests.fail(work, replace(BROKEN, retryable=True))

    assert (await _get(tenant, ann, document)).status == "uploaded"


async def test_a_task_that_was_overtaken_fails_nothing(tenant: Tenant, ingests: Ingests) -> None:
    ann = await tenant.joins("ann")
    document = await _added(tenant, ann)
    work = await ingests.begin(ann, document.id)
    await tenant.indexes.begin(ann, document.id, work.id)
    build = await tenant.indexes.begin(ann, document.id, new_id())
    await tenant.indexes.write(build, chunks_of(document, "a"), progress=0.5)

    await ingests.fail(work)
    await tenant.indexes.finish(build)

    assert (await _get(tenant, ann, document)).status == "indexed"
    assert await _texts(tenant, ann, document) == ["a"]


async def test_a_task_that_is_cancelled_fails_its_document(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    document = await _added(tenant, ann)
    payload = {"document_id": str(document.id)}
    asked = TaskToQueue(id=new_id(), user_id=ann.user_id, kind="ingest", payload=payload)

    async with tenant.store.begin(ann) as tx:
        await tx.tasks.add([asked])
        await tx.tasks.cancel(asked.id)

    failed = await _get(tenant, ann, document)
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.code == "cancelled"


async def test_what_failed_once_more_keeps_the_index_that_it_had(
    tenant: Tenant, ingests: Ingests
) -> None:
    ann = await tenant.joins("ann")
    document = await _added(tenant, ann)
    await tenant.indexed(ann, document, "old")
    work = await ingests.begin(ann, document.id)
    build = await tenant.indexes.begin(ann, document.id, work.id)
    await tenant.indexes.write(build, chunks_of(document, "half"), progress=0.5)

    await ingests.fail(work)

    assert (await _get(tenant, ann, document)).status == "failed"
    assert await _texts(tenant, ann, document) == ["old"]


@pytest.mark.parametrize("payload", [{}, {"document_id": "no id"}, {"document_id": [1]}])
async def test_a_payload_that_names_no_document_of_its_user_fails_none(
    tenant: Tenant, ingests: Ingests, payload: dict[str, Any]
) -> None:
    ann, ben = await tenant.joins("ann"), await tenant.joins("ben")
    document = await _added(tenant, ann)
    others = await ingests.begin(ben, document.id)
    asked = TaskToQueue(id=new_id(), user_id=ann.user_id, kind="ingest", payload=payload)

    await ingests.fail(others)
    async with tenant.store.begin(ann) as tx:
        await tx.tasks.add([asked])
        await tx.tasks.cancel(asked.id)

    assert (await _get(tenant, ann, document)).status == "uploaded"
