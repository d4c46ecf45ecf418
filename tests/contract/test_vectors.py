"""What every store of vectors keeps, finds, for whom, and through whatever comes between."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from dishka import AsyncContainer

from polyagent.domain.account import Actor
from polyagent.domain.documents.embedding import Space
from polyagent.domain.documents.retrieval import Near
from polyagent.domain.errors import Fenced, ModelServiceUnavailable, SpaceGone
from polyagent.domain.ids import new_id
from polyagent.ports.documents.documents import Indexes
from polyagent.ports.documents.retrieval import Retrieval
from polyagent.ports.documents.vectors import Vectors
from polyagent.usecases.documents.embed import EmbedDocuments
from polyagent.usecases.documents.search import reach_of
from tests.contract.tenant import Tenant
from tests.contract.test_retrieval import Shelf
from tests.model_service.meanings import vector_of
from tests.searching import Meaning


class Atlas:
    """Shelves whose chunks have vectors, by a model of this test's own."""

    def __init__(self, shelf: Shelf, vectors: Vectors) -> None:
        self.shelf = shelf
        self.vectors = vectors
        self.meaning = Meaning(f"model {new_id()}")

    @property
    def embed(self) -> EmbedDocuments:
        """As another process would."""
        return EmbedDocuments(self.meaning, self.vectors)

    async def settles(self) -> None:
        """Embed until nothing lacks vectors."""
        embed = self.embed
        while await embed():
            pass

    async def near(
        self,
        actor: Actor,
        query: str,
        *,
        top_k: int = 10,
        collection: str | None = None,
        named: list[UUID] | None = None,
    ) -> Near:
        space = await self.shelf.retrieval.space()
        assert space is not None
        reach = reach_of(actor, collection, named)
        vector = vector_of(query, model=space.recipe.model)
        return await self.shelf.retrieval.by_vector(reach, space, vector, top_k)

    async def reads(self, actor: Actor, query: str, **narrowed: Any) -> list[str]:
        return [passage.text for passage in (await self.near(actor, query, **narrowed)).items]

    async def opens(self) -> Space:
        return await self.vectors.open(self.meaning.recipe, self.meaning.width)


@pytest.fixture
async def atlas(container: AsyncContainer, tenant: Tenant) -> Atlas:
    shelf = Shelf(tenant, await container.get(Indexes), await container.get(Retrieval))
    return Atlas(shelf, await container.get(Vectors))


async def test_what_means_the_same_is_found_with_its_place(atlas: Atlas) -> None:
    ann = await atlas.shelf.tenant.joins("ann")
    texts = ("Trees are green.", "He saw a physician.", "Bees make honey.")
    document = await atlas.shelf.puts(ann, *texts, filename="Tiere ü.txt")
    await atlas.settles()

    near = await atlas.near(ann, "a doctor", top_k=2)

    best, other = near.items
    assert (best.document_id, best.filename, best.text) == (document.id, "Tiere ü.txt", texts[1])
    assert (best.page, best.start, best.end) == (2, 1000, 1000 + len(texts[1]))
    assert 1 >= best.score > other.score
    assert near.is_whole


async def test_nobody_finds_what_is_private_to_another(atlas: Atlas, abroad: Tenant) -> None:
    shelf = atlas.shelf
    ann, bob = await shelf.tenant.joins("ann"), await shelf.tenant.joins("bob")
    chief = await shelf.tenant.joins("chief", role="admin")
    eve = await abroad.joins("eve")
    hidden = await shelf.puts(ann, "the secret recipe")
    shown = await shelf.puts(ann, "the shared recipe", visibility="shared")
    await atlas.settles()

    for who, texts in (
        (ann, ["the secret recipe", "the shared recipe"]),
        (bob, ["the shared recipe"]),
        (chief, ["the shared recipe"]),
        (eve, []),
    ):
        assert sorted(await atlas.reads(who, "recipe")) == texts
        assert sorted(await atlas.reads(who, "recipe", named=[hidden.id, shown.id])) == texts


async def test_what_others_keep_to_themselves_changes_no_score(atlas: Atlas) -> None:
    ann, bob = await atlas.shelf.tenant.joins("ann"), await atlas.shelf.tenant.joins("bob")
    await atlas.shelf.puts(bob, "merger talks", "other matters", "weather")
    await atlas.settles()
    before = await atlas.near(bob, "merger weather")

    await atlas.shelf.puts(ann, *(f"merger weather {n}" for n in range(20)))
    lacking = await atlas.near(bob, "merger weather")
    await atlas.settles()

    assert await atlas.near(bob, "merger weather") == lacking == before


async def test_a_collection_and_documents_narrow_the_search(atlas: Atlas) -> None:
    ann = await atlas.shelf.tenant.joins("ann")
    law = await atlas.shelf.puts(ann, "law of bees", collection="law")
    await atlas.shelf.puts(ann, "poem of bees", collection="poems")
    loose = await atlas.shelf.puts(ann, "note of bees")
    await atlas.settles()

    assert await atlas.reads(ann, "bees", collection="law") == ["law of bees"]
    assert await atlas.reads(ann, "bees", named=[loose.id]) == ["note of bees"]
    assert await atlas.reads(ann, "bees", named=[loose.id], collection="law") == []
    assert await atlas.reads(ann, "bees", named=[]) == []
    assert await atlas.reads(ann, "bees", named=[law.id], collection="law") == ["law of bees"]


async def test_a_search_says_that_some_documents_have_no_vectors_yet(atlas: Atlas) -> None:
    ann, bob = await atlas.shelf.tenant.joins("ann"), await atlas.shelf.tenant.joins("bob")
    old = await atlas.shelf.puts(ann, "old words")
    await atlas.settles()
    new = await atlas.shelf.puts(ann, "new words")

    assert not (await atlas.near(ann, "words")).is_whole
    assert not (await atlas.near(ann, "words", named=[new.id])).is_whole
    assert (await atlas.near(ann, "words", named=[old.id])).is_whole
    assert (await atlas.near(bob, "words")).is_whole


async def test_an_index_that_is_embedded_before_it_is_used(atlas: Atlas) -> None:
    ann = await atlas.shelf.tenant.joins("ann")
    document = await atlas.shelf.puts(ann, "old words")
    await atlas.settles()
    told: list[float] = []

    async def tell(part: float) -> None:
        told.append(part)

    build = await atlas.shelf.writes(ann, document, "new words", "and more words")
    await atlas.embed.build(build, tell)
    meanwhile = [
        await atlas.reads(ann, "words"),
        await atlas.reads(ann, "words", named=[document.id]),
    ]
    await atlas.shelf.indexes.finish(build)

    assert meanwhile == [["old words"], ["old words"]]
    assert sorted(await atlas.reads(ann, "words")) == ["and more words", "new words"]
    assert (await atlas.near(ann, "words")).is_whole
    assert told[-1] == 1


async def test_while_it_is_indexed_again_a_document_is_found_once(atlas: Atlas) -> None:
    ann = await atlas.shelf.tenant.joins("ann")
    document = await atlas.shelf.puts(ann, "words")
    await atlas.settles()
    done = asyncio.Event()

    async def finds() -> set[int]:
        seen = set()
        while not done.is_set():
            seen.add(len(await atlas.reads(ann, "words")))
            await asyncio.sleep(0)
        return seen

    async def tell(_: float) -> None: ...

    searches = [asyncio.create_task(finds()) for _ in range(4)]
    for _ in range(25):
        build = await atlas.shelf.writes(ann, document, "words")
        await atlas.embed.build(build, tell)
        await atlas.shelf.indexes.finish(build)
        await asyncio.sleep(0)
    done.set()

    assert set().union(*await asyncio.gather(*searches)) == {1}


async def test_a_text_that_its_owner_has_already_costs_no_call(atlas: Atlas) -> None:
    ann, bob = await atlas.shelf.tenant.joins("ann"), await atlas.shelf.tenant.joins("bob")
    document = await atlas.shelf.puts(ann, "one text", "another text")
    await atlas.settles()

    build = await atlas.shelf.writes(ann, document, "one text", "a third text", "one text")
    await atlas.embed.build(build, _silent)
    await atlas.shelf.indexes.finish(build)
    await atlas.shelf.puts(ann, "a third text")
    await atlas.settles()
    mine = dict(atlas.meaning.texts)
    await atlas.shelf.puts(bob, "one text", visibility="shared")
    await atlas.settles()

    assert {text: count for text, count in mine.items() if "text" in text} == {
        "one text": 1,
        "another text": 1,
        "a third text": 1,
    }
    assert atlas.meaning.texts["one text"] == 2
    assert len(await atlas.reads(ann, "text")) == 5


async def test_what_is_deleted_is_found_no_more(atlas: Atlas) -> None:
    ann = await atlas.shelf.tenant.joins("ann")
    gone = await atlas.shelf.puts(ann, "bees")
    await atlas.settles()

    async with atlas.shelf.tenant.store.begin(ann) as tx:
        await tx.documents.delete(gone.id, version=None)

    assert await atlas.reads(ann, "bees") == []


async def test_many_who_embed_ask_for_each_text_once(atlas: Atlas) -> None:
    ann = await atlas.shelf.tenant.joins("ann")
    for n in range(12):
        await atlas.shelf.puts(ann, f"bee number {n}")

    await asyncio.gather(*(atlas.settles() for _ in range(4)))
    await atlas.settles()

    assert len(await atlas.reads(ann, "bee", top_k=20)) == 12
    assert {atlas.meaning.texts[f"bee number {n}"] for n in range(12)} == {1}


async def test_what_somebody_works_at_is_nobody_elses(atlas: Atlas) -> None:
    ann = await atlas.shelf.tenant.joins("ann")
    await atlas.shelf.puts(ann, "bees")
    await atlas.settles()
    await atlas.shelf.puts(ann, "wasps")
    space = await atlas.opens()

    first = await atlas.vectors.claim(space)

    assert first is not None
    assert await atlas.vectors.claim(space) is None


async def test_a_document_that_is_deleted_while_it_is_embedded(atlas: Atlas) -> None:
    ann = await atlas.shelf.tenant.joins("ann")
    document = await atlas.shelf.puts(ann, "bees")
    space = await atlas.opens()
    work = await atlas.vectors.claim(space)
    while work is not None and work.document_id != document.id:
        work = await atlas.vectors.claim(space)
    assert work is not None

    async with atlas.shelf.tenant.store.begin(ann) as tx:
        await tx.documents.delete(document.id, version=None)

    with pytest.raises(Fenced):
        await atlas.vectors.write(work, [(0, vector_of("bees"))])
    with pytest.raises(Fenced):
        await atlas.vectors.lacking(work, 0, 1)


async def test_another_model_takes_over_once_it_has_everything(atlas: Atlas) -> None:
    ann = await atlas.shelf.tenant.joins("ann")
    await atlas.shelf.puts(ann, "bees make honey")
    await atlas.shelf.puts(ann, "a physician")
    await atlas.settles()
    old = await atlas.shelf.retrieval.space()
    assert old is not None

    atlas.meaning = Meaning(f"another {new_id()}", width=48)
    embed = atlas.embed
    assert await embed()
    during = await atlas.shelf.retrieval.space()
    while await embed():
        pass
    new = await atlas.shelf.retrieval.space()

    assert during == old
    assert new is not None
    assert (new.recipe, new.width) == (atlas.meaning.recipe, 48)
    vector = vector_of("doctor", width=48, model=new.recipe.model)
    near = await atlas.shelf.retrieval.by_vector(reach_of(ann, None, None), new, vector, 1)
    assert [passage.text for passage in near.items] == ["a physician"]
    with pytest.raises(SpaceGone):
        await atlas.shelf.retrieval.by_vector(
            reach_of(ann, None, None), old, vector_of("doctor"), 1
        )


async def test_a_process_with_the_model_of_before_undoes_nothing(atlas: Atlas) -> None:
    ann = await atlas.shelf.tenant.joins("ann")
    await atlas.shelf.puts(ann, "bees")
    old, old_meaning = atlas.embed, atlas.meaning
    while await old():
        pass
    atlas.meaning = Meaning(f"another {new_id()}")
    await atlas.settles()
    before = sum(old_meaning.texts.values())

    document = await atlas.shelf.puts(ann, "wasps")
    assert not await old()
    await old.build(await atlas.shelf.writes(ann, document, "hornets"), _silent)

    space = await atlas.shelf.retrieval.space()
    assert space is not None
    assert space.recipe == atlas.meaning.recipe
    assert sum(old_meaning.texts.values()) == before


async def test_a_service_that_is_away_leaves_the_work_for_later(atlas: Atlas) -> None:
    ann = await atlas.shelf.tenant.joins("ann")
    await atlas.settles()
    document = await atlas.shelf.puts(ann, "old words")
    atlas.meaning.away = ModelServiceUnavailable("It is away.")

    build = await atlas.shelf.writes(ann, document, "new words")
    await atlas.embed.build(build, _silent)
    await atlas.shelf.indexes.finish(build)
    with pytest.raises(ModelServiceUnavailable):
        await atlas.embed()

    assert await atlas.shelf.reads(ann, "words") == ["new words"]


async def _silent(_: float) -> None: ...
