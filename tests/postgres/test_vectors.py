"""What only a database does with vectors: the index, what is lacking in it, and processes that die."""

import asyncio
import random
from collections.abc import Sequence
from uuid import UUID

import asyncpg
import pytest

from polyagent.adapters.postgres.documents.nearest import Nearest
from polyagent.adapters.postgres.documents.retrieval import PostgresRetrieval
from polyagent.adapters.postgres.documents.spaces import table
from polyagent.adapters.postgres.documents.vectors import PostgresVectors
from polyagent.adapters.postgres.migrate import downgrade, upgrade
from polyagent.adapters.postgres.pool import Pool, open_pool
from polyagent.domain.account import Actor
from polyagent.domain.documents.document import Document
from polyagent.domain.documents.embedding import Embedding, Space, Vector
from polyagent.domain.errors import VectorsImpossible
from polyagent.domain.ids import new_id
from polyagent.settings import Database
from polyagent.usecases.documents.embed import BATCH, EmbedDocuments
from polyagent.usecases.documents.search import reach_of
from tests.contract.tenant import Tenant, chunks_of
from tests.engines import Cluster
from tests.model_service.meanings import vector_of
from tests.searching import Meaning


@pytest.fixture(autouse=True)
async def workspace(pool: Pool, tenant: Tenant) -> None:
    await pool.execute("INSERT INTO workspaces (id, name) VALUES ($1, $2)", tenant.id, "here")


async def puts(tenant: Tenant, actor: Actor, *texts: str) -> Document:
    document = tenant.document(actor)
    async with tenant.store.begin(actor) as tx:
        await tx.documents.add(document, str(document.id), most_bytes=10**9)
    build = await tenant.indexes.begin(actor, document.id, new_id())
    await tenant.indexes.write(build, chunks_of(document, *texts), progress=0.5)
    await tenant.indexes.finish(build)
    return document


COUNT = "SELECT count(*) FROM {vectors} WHERE user_id = $1"


async def settles(embed: EmbedDocuments) -> None:
    while await embed():
        pass


async def space_of(vectors: PostgresVectors, meaning: Meaning) -> Space:
    return await vectors.open(meaning.recipe, meaning.width)


class Dying(PostgresVectors):
    """Belongs to a process that is killed before its second write."""

    writes = 0

    async def write(self, work: Embedding, vectors: Sequence[tuple[int, Vector]]) -> None:
        self.writes += 1
        if self.writes > 1:
            raise asyncio.CancelledError
        await super().write(work, vectors)


async def test_another_process_goes_on_where_one_died(pool: Pool, tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    texts = [f"bee number {n}" for n in range(BATCH + 20)]
    meaning, vectors = Meaning(f"model {new_id()}"), PostgresVectors(pool)
    await settles(EmbedDocuments(meaning, vectors))
    await puts(tenant, ann, *texts)

    with pytest.raises(asyncio.CancelledError):
        await EmbedDocuments(meaning, Dying(pool))()
    meanwhile = await EmbedDocuments(meaning, vectors)()
    await pool.execute("UPDATE embedded SET claimed_until = now() - interval '1 second'")
    before = {text for text in meaning.texts if "bee" in text}
    await settles(EmbedDocuments(meaning, vectors))

    assert not meanwhile
    assert [text for text in texts if meaning.texts[text] != 1] == texts[BATCH:]
    assert before == set(texts)  # what was embedded, and never written, is asked again
    space = await space_of(vectors, meaning)
    assert await _rows(pool, space, ann.user_id) == len(texts)


async def test_the_index_finds_what_comparing_all_finds(pool: Pool, tenant: Tenant) -> None:
    ann, bob = await tenant.joins("ann"), await tenant.joins("bob")
    chance = random.Random(1)
    words = [f"w{n}" for n in range(60)]
    for who in (ann, bob):
        await puts(tenant, who, *(" ".join(chance.sample(words, 6)) for _ in range(400)))
    meaning, vectors = Meaning(f"model {new_id()}"), PostgresVectors(pool)
    await settles(EmbedDocuments(meaning, vectors))
    exactly, indexed = Nearest(pool), Nearest(pool, exact=0)
    space = await exactly.space()
    assert space is not None
    assert await indexed.space() == space
    await pool.execute(f"ANALYZE {table(space.id)}")

    found = total = 0
    for _ in range(20):
        query = vector_of(" ".join(chance.sample(words, 4)), model=space.recipe.model)
        asked = (reach_of(ann, None, None), space, query, 10)
        right, near = await exactly.find(*asked), await indexed.find(*asked)
        found += len(
            {each.chunk_id for each in right.items} & {each.chunk_id for each in near.items}
        )
        total += len(right.items)
        scores = [each.score for each in near.items]
        assert scores == sorted(scores, reverse=True)
        assert len(near.items) == 10

    assert found / total >= 0.95


async def test_what_others_have_near_a_query_takes_nothing_away(pool: Pool, tenant: Tenant) -> None:
    """The index comes past theirs first, and gives up."""
    ann, bob = await tenant.joins("ann"), await tenant.joins("bob")
    await puts(tenant, bob, *(f"bees make honey {n}" for n in range(400)))
    await puts(tenant, ann, *(f"owls hunt by night {n}" for n in range(200)))
    meaning, vectors = Meaning(f"model {new_id()}"), PostgresVectors(pool)
    await settles(EmbedDocuments(meaning, vectors))
    nearest, exactly = Nearest(pool, exact=0, scanned=300), Nearest(pool)
    space = await nearest.space()
    assert space is not None
    assert await exactly.space() == space
    await pool.execute(f"ANALYZE {table(space.id)}")

    query = vector_of("bees make honey", model=space.recipe.model)
    near = await nearest.find(reach_of(ann, None, None), space, query, 10)
    right = await exactly.find(reach_of(ann, None, None), space, query, 10)
    nowhere = await nearest.find(reach_of(bob, None, None), space, [0.0] * space.width, 10)

    assert near == right
    assert len(near.items) == 10
    assert nowhere.items == []


async def test_nothing_is_left_of_what_was_deleted(pool: Pool, tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    meaning, vectors = Meaning(f"model {new_id()}"), PostgresVectors(pool)
    gone, kept = await puts(tenant, ann, "bees"), await puts(tenant, ann, "wasps")
    await settles(EmbedDocuments(meaning, vectors))
    space = await space_of(vectors, meaning)

    async with tenant.store.begin(ann) as tx:
        await tx.documents.delete(gone.id, version=None)

    assert await _rows(pool, space, ann.user_id) == 1
    async with tenant.store.begin(ann) as tx:
        await tx.documents.delete(kept.id, version=None)
    assert await _rows(pool, space, ann.user_id) == 0
    assert not await pool.fetchval(
        "SELECT count(*) FROM embedded LEFT JOIN indexes ON no = index_no WHERE no IS NULL"
    )


async def _rows(pool: Pool, space: Space, user_id: UUID) -> int:
    count: int = await pool.fetchval(COUNT.format(vectors=table(space.id)), user_id)
    return count


async def test_the_tables_of_spaces_that_were_replaced_are_dropped(
    pool: Pool, tenant: Tenant
) -> None:
    vectors = PostgresVectors(pool)
    for n in range(3):
        await settles(EmbedDocuments(Meaning(f"model {n} {new_id()}"), vectors))

    tables = await pool.fetch("SELECT tablename FROM pg_tables WHERE tablename LIKE 'vectors_%'")
    spaces = await pool.fetch("SELECT id FROM spaces")

    assert [row["tablename"] for row in tables] == [table(row["id"]) for row in spaces]
    assert len(spaces) == 1


async def test_a_database_without_pgvector_says_so(cluster: Cluster, empty_url: str) -> None:
    await upgrade(Database(url=empty_url))
    pool = await open_pool(Database(url=empty_url), min_size=0)
    meaning, vectors = Meaning(), PostgresVectors(pool)
    try:
        with pytest.raises(VectorsImpossible, match="CREATE EXTENSION vector"):
            await vectors.open(meaning.recipe, meaning.width)
        with pytest.raises(VectorsImpossible, match="CREATE EXTENSION vector"):
            await PostgresRetrieval(pool).space()
        cluster.sql_in(_name(empty_url), "CREATE EXTENSION vector SCHEMA public")
        space = await vectors.open(meaning.recipe, meaning.width)
        await vectors.settle(space)
        assert await PostgresRetrieval(pool).space() == space
    finally:
        await pool.close()


def _name(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


async def test_migrations_go_down_with_the_spaces(cluster: Cluster, empty_url: str) -> None:
    database = Database(url=empty_url)
    cluster.sql_in(_name(empty_url), "CREATE EXTENSION vector")
    await upgrade(database)
    pool = await open_pool(database, min_size=0)
    await PostgresVectors(pool).open(Meaning().recipe, 8)
    await pool.close()

    await downgrade(database, "0015")

    connection = await asyncpg.connect(empty_url)
    left = await connection.fetch("SELECT 1 FROM pg_tables WHERE tablename LIKE 'vectors%'")
    await connection.close()
    assert not left


async def test_who_wanted_another_model_and_has_gone_is_followed(
    pool: Pool, tenant: Tenant
) -> None:
    vectors, retrieval = PostgresVectors(pool), PostgresRetrieval(pool)
    await puts(tenant, await tenant.joins("ann"), "bees")
    new, old = (EmbedDocuments(Meaning(name), vectors) for name in ("new", "old"))
    await settles(new)
    await settles(old)  # a process that began before the change is started again

    await settles(new)
    assert await _model(retrieval) == "old"
    await pool.execute("UPDATE spaces SET seen_at = now() - interval '61 s'")
    await settles(new)
    await settles(new)

    assert await _model(retrieval) == "new"


async def _model(retrieval: PostgresRetrieval) -> str | None:
    space = await retrieval.space()
    return None if space is None else space.recipe.model
