"""What every retrieval finds, for whom, and what it does not let anybody infer."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from dishka import AsyncContainer

from polyagent.domain.account import Actor
from polyagent.domain.documents.document import Build, Chunk, Document
from polyagent.domain.documents.retrieval import Passage
from polyagent.domain.documents.terms import query_terms
from polyagent.domain.ids import new_id
from polyagent.ports.documents.documents import Indexes
from polyagent.ports.documents.retrieval import Retrieval
from polyagent.usecases.documents.search import reach_of
from tests.contract.tenant import Tenant

ROOM = 10**9


class Shelf:
    """People's documents, and what they find."""

    def __init__(self, tenant: Tenant, indexes: Indexes, retrieval: Retrieval) -> None:
        self.tenant = tenant
        self.indexes = indexes
        self.retrieval = retrieval

    async def puts(self, actor: Actor, *texts: str, **changes: Any) -> Document:
        document = self.tenant.document(actor, **changes)
        async with self.tenant.store.begin(actor) as tx:
            await tx.documents.add(document, f"blob of {document.id}", most_bytes=ROOM)
        await self.indexes.finish(await self.writes(actor, document, *texts))
        return document

    async def writes(self, actor: Actor, document: Document, *texts: str) -> Build:
        build = await self.indexes.begin(actor, document.id, new_id())
        chunks = [_chunk(document.id, n, text) for n, text in enumerate(texts)]
        await self.indexes.write(build, chunks, progress=0.5)
        return build

    async def finds(
        self,
        actor: Actor,
        query: str,
        *,
        collection: str | None = None,
        named: list[UUID] | None = None,
        top_k: int = 10,
    ) -> list[Passage]:
        reach = reach_of(actor, collection, named)
        return [*await self.retrieval.by_terms(reach, query_terms(query), top_k)]

    async def reads(self, actor: Actor, query: str, **narrowed: Any) -> list[str]:
        return [passage.text for passage in await self.finds(actor, query, **narrowed)]


def _chunk(document_id: UUID, n: int, text: str) -> Chunk:
    start = 1000 * n
    return Chunk(
        id=new_id(),
        document_id=document_id,
        n=n,
        text=text,
        page=n + 1,
        start=start,
        end=start + len(text),
        headings=["as", "JSON"] if n else [],  # lists, as they come from another process
    )


@pytest.fixture
async def shelf(container: AsyncContainer, tenant: Tenant) -> Shelf:
    return Shelf(tenant, await container.get(Indexes), await container.get(Retrieval))


async def test_the_chunk_that_says_it_is_found_with_its_place(shelf: Shelf) -> None:
    ann = await shelf.tenant.joins("ann")
    texts = ("Foxes sleep in dens.", "Owls hunt at night.", "Bees make honey.")
    document = await shelf.puts(ann, *texts, filename="Tiere ü.txt")

    (found,) = await shelf.finds(ann, "Where do owls go hunting?")

    assert found.text == texts[1]
    assert (found.document_id, found.filename) == (document.id, "Tiere ü.txt")
    assert (found.page, found.start, found.end) == (2, 1000, 1000 + len(texts[1]))
    assert found.score > 0


async def test_chunks_are_found_by_their_headings_and_by_the_names_of_their_files(
    shelf: Shelf,
) -> None:
    ann = await shelf.tenant.joins("ann")
    await shelf.puts(ann, "Three months.", "In writing.", filename="Lease_v2.txt")
    await shelf.puts(ann, "Three years.", filename="loan.txt")

    assert sorted(await shelf.reads(ann, "lease")) == ["In writing.", "Three months."]
    assert (await shelf.reads(ann, "three lease"))[0] == "Three months."
    assert await shelf.reads(ann, "JSON") == ["In writing."]  # what it stands under
    assert await shelf.reads(ann, "txt") == []


async def test_rare_words_count_more_and_repeated_ones_less_and_less(shelf: Shelf) -> None:
    ann = await shelf.tenant.joins("ann")
    await shelf.puts(ann, "apple apple apple apple", "apple quince", "apple pear", "apple plum")

    best, *_ = await shelf.reads(ann, "apple quince")
    scores = [each.score for each in await shelf.finds(ann, "apple")]

    assert best == "apple quince"
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("re\u0301sume\u0301 of Ann", "résumé"),
        ("résumé of Ann", "re\u0301sume\u0301"),
        ("the \ufb01nance office", "finance"),
        ("co\u00adope\u00adration and zero\u200bwidth", "cooperation"),
        ("\uff11\uff12\uff13 pieces", "123"),
        ("İstanbul in spring", "istanbul"),
        ("向量数据库可以检索文档", "检索"),
        ("東京は日本の首都です", "日本の首都"),
        ("서울은 대한민국의 수도", "수도"),
        ("ภาษาไทยง่าย", "ภาษาไทย"),
        ("中 alone", "中"),
        ("x marks the spot", "x"),
        ("葛\U000e0100城さん", "葛城"),
        ("病假三天", "生病了"),
        ("שָׁלוֹם לכולם", "\u2067שלום\u2069"),
        ("كِتَابٌ جديد", "كتاب"),
        ("bees🐝and owls", "🐝owls👍🏽"),
        ("owls at night", 'foxes OR -"owls*" AND (night)'),
    ],
)
async def test_words_are_found_however_their_letters_are_encoded(
    shelf: Shelf, text: str, query: str
) -> None:
    ann = await shelf.tenant.joins("ann")
    await shelf.puts(ann, "something else", text)

    assert await shelf.reads(ann, query) == [text]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "   ",
        "!&|():*<->",
        '-"*',
        "\u200b",
        "👍🏽",
        "\u202e",
        "y",
        "AND OR NOT",
        "' OR 1=1 --",
        "absent",
    ],
)
async def test_what_has_no_words_or_no_hits_finds_nothing(shelf: Shelf, query: str) -> None:
    ann = await shelf.tenant.joins("ann")
    await shelf.puts(ann, "plain text")

    assert await shelf.reads(ann, query) == []


async def test_stop_words_are_found_when_there_is_nothing_else(shelf: Shelf) -> None:
    ann = await shelf.tenant.joins("ann")
    await shelf.puts(ann, "to be or not to be", "honey")

    assert await shelf.reads(ann, "to be or not to be") == ["to be or not to be"]


async def test_a_query_of_many_words_is_answered_by_its_first(shelf: Shelf) -> None:
    ann = await shelf.tenant.joins("ann")
    await shelf.puts(ann, "word0 stands here", "word999 stands there")
    many = " ".join(f"word{n}" for n in range(20_000))

    assert await shelf.reads(ann, many) == ["word0 stands here"]


async def test_nobody_finds_what_is_private_to_another(shelf: Shelf, abroad: Tenant) -> None:
    ann, bob = await shelf.tenant.joins("ann"), await shelf.tenant.joins("bob")
    chief = await shelf.tenant.joins("chief", role="admin")
    eve = await abroad.joins("eve")
    await shelf.puts(ann, "the secret recipe")
    await shelf.puts(ann, "the shared recipe", visibility="shared")

    found = {who: await shelf.reads(who, "recipe") for who in (ann, bob, chief, eve)}

    assert sorted(found[ann]) == ["the secret recipe", "the shared recipe"]
    assert found[bob] == found[chief] == ["the shared recipe"]
    assert found[eve] == []


async def test_a_document_of_anothers_is_not_found_by_its_id(shelf: Shelf, abroad: Tenant) -> None:
    ann, bob = await shelf.tenant.joins("ann"), await shelf.tenant.joins("bob")
    eve = await abroad.joins("eve")
    hidden = await shelf.puts(ann, "the secret recipe")
    shown = await shelf.puts(ann, "the shared recipe", visibility="shared")
    both = [hidden.id, shown.id, new_id()]

    for who, known in ((ann, {hidden.id, shown.id}), (bob, {shown.id}), (eve, set())):
        assert await shelf.retrieval.known(reach_of(who, None, both)) == known
        assert {each.document_id for each in await shelf.finds(who, "recipe", named=both)} == known


async def test_what_others_keep_to_themselves_weighs_nothing(shelf: Shelf, abroad: Tenant) -> None:
    ann, bob = await shelf.tenant.joins("ann"), await shelf.tenant.joins("bob")
    eve = await abroad.joins("eve")
    await shelf.puts(bob, "merger talks", "other matters", "weather")
    before = await shelf.finds(bob, "merger weather")

    await shelf.puts(ann, *["merger merger of everything with everything"] * 20)
    foreign = Shelf(abroad, shelf.indexes, shelf.retrieval)
    await foreign.puts(eve, "merger", visibility="shared")

    assert await shelf.finds(bob, "merger weather") == before


async def test_a_collection_and_documents_narrow_the_search(shelf: Shelf) -> None:
    ann = await shelf.tenant.joins("ann")
    law = await shelf.puts(ann, "law of bees", collection="law")
    await shelf.puts(ann, "poem of bees", collection="poems")
    loose = await shelf.puts(ann, "note of bees")

    assert await shelf.reads(ann, "bees", collection="law") == ["law of bees"]
    assert await shelf.reads(ann, "bees", named=[loose.id]) == ["note of bees"]
    assert await shelf.reads(ann, "bees", named=[loose.id], collection="law") == []
    assert await shelf.reads(ann, "bees", named=[]) == []
    assert await shelf.reads(ann, "bees", named=[law.id], collection="law") == ["law of bees"]


async def test_documents_are_shown_from_their_beginnings_in_turn(shelf: Shelf) -> None:
    ann, bob = await shelf.tenant.joins("ann"), await shelf.tenant.joins("bob")
    one, other = await shelf.puts(ann, "a0", "a1", "a2"), await shelf.puts(ann, "b0")
    reach = reach_of(ann, None, [one.id, other.id])

    first = await shelf.retrieval.first(reach, 3)

    assert {each.text for each in first[:2]} == {"a0", "b0"}
    assert [each.text for each in first[2:]] == ["a1"]
    assert not await shelf.retrieval.first(reach_of(bob, None, [one.id]), 3)


async def test_an_index_counts_from_when_it_is_finished(shelf: Shelf) -> None:
    ann = await shelf.tenant.joins("ann")
    document = await shelf.puts(ann, "old words")

    build = await shelf.writes(ann, document, "new words", "and more words")
    meanwhile = await shelf.reads(ann, "words")
    narrowed = await shelf.reads(ann, "words", named=[document.id])
    await shelf.indexes.finish(build)

    assert meanwhile == narrowed == ["old words"]
    assert sorted(await shelf.reads(ann, "words")) == ["and more words", "new words"]


async def test_a_build_that_was_overtaken_leaves_nothing(shelf: Shelf) -> None:
    ann = await shelf.tenant.joins("ann")
    document = await shelf.puts(ann, "old words")

    await shelf.writes(ann, document, "half of it")
    await shelf.indexes.finish(await shelf.writes(ann, document, "whole of it"))

    assert await shelf.reads(ann, "words") == []
    assert await shelf.reads(ann, "half whole") == ["whole of it"]


async def test_what_is_deleted_is_found_no_more_and_weighs_nothing(shelf: Shelf) -> None:
    ann = await shelf.tenant.joins("ann")
    await shelf.puts(ann, "bees and owls", "weather")
    before = await shelf.finds(ann, "bees weather")
    gone = await shelf.puts(ann, "bees", "bees", "bees")

    async with shelf.tenant.store.begin(ann) as tx:
        await tx.documents.delete(gone.id, version=None)

    assert await shelf.finds(ann, "bees weather") == before


async def test_the_best_are_returned_and_no_more_than_were_asked_for(shelf: Shelf) -> None:
    ann = await shelf.tenant.joins("ann")
    await shelf.puts(ann, *(f"bees {'filler ' * n}" for n in range(30)))

    found = await shelf.finds(ann, "bees", top_k=5)

    assert [each.page for each in found] == [1, 2, 3, 4, 5]


async def test_many_documents_are_indexed_at_once(shelf: Shelf) -> None:
    ann = await shelf.tenant.joins("ann")

    await asyncio.gather(*(shelf.puts(ann, f"bee number {n}", "honey") for n in range(20)))

    assert len(await shelf.finds(ann, "bee", top_k=100)) == 20
