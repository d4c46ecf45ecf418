"""Which words of a question a database seeks, so that common ones do not make it slow."""

import pytest

from polyagent.adapters.postgres.documents.retrieval import search
from polyagent.adapters.postgres.pool import Pool
from polyagent.domain.account import Actor
from polyagent.domain.documents.ranking import Bounds
from polyagent.domain.ids import new_id
from tests.contract.tenant import Tenant, chunks_of

# `rye` is in one chunk, `oat` in two, `fig` in three, `nut` in four
TEXTS = ("rye", "oat", "oat", "fig", "fig", "fig", "nut", "nut", "nut", "nut")
QUERY = ["nut", "fig", "oat", "rye"]


@pytest.fixture
async def ann(pool: Pool, tenant: Tenant) -> Actor:
    await pool.execute("INSERT INTO workspaces (id, name) VALUES ($1, $2)", tenant.id, "here")
    ann = await tenant.joins("ann")
    document = tenant.document(ann)
    async with tenant.store.begin(ann) as tx:
        await tx.documents.add(document, str(document.id), most_bytes=10**9)
    build = await tenant.indexes.begin(ann, document.id, new_id())
    await tenant.indexes.write(build, chunks_of(document, *TEXTS), progress=0.5)
    await tenant.indexes.finish(build)
    return ann


@pytest.mark.parametrize(
    ("bounds", "sought"),
    [
        (Bounds(), "rye oat fig nut"),
        (Bounds(postings=9), "rye oat fig"),
        (Bounds(postings=6), "rye oat fig"),
        (Bounds(postings=5), "rye oat"),
        (Bounds(postings=0), "rye oat"),
        (Bounds(postings=0, rarest=1), "rye"),
        (Bounds(terms=3), "rye oat fig"),
        (Bounds(least_common=1, common=0.3), "rye oat fig"),
        (Bounds(least_common=1, common=0.2), "rye oat"),
        (Bounds(least_common=4, common=0.1), "rye oat fig nut"),
    ],
)
@pytest.mark.parametrize("named", [False, True])
async def test_common_words_are_sought_within_bounds_and_the_rarest_always(
    pool: Pool, ann: Actor, bounds: Bounds, sought: str, named: bool
) -> None:
    which = [ann.workspace_id, ann.user_id, None, QUERY, len(TEXTS)]
    if named:
        which.append(
            await pool.fetchval(
                "SELECT array_agg(id) FROM documents WHERE user_id = $1", ann.user_id
            )
        )

    rows = await pool.fetch(search(bounds, named=named), *which)

    assert {row["text"] for row in rows} == set(sought.split())
