"""Ranks from a service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from polyagent.adapters.openai.ranking.asking import Asking
from polyagent.adapters.openai.ranking.reranker import ServiceReranker
from polyagent.domain.errors import ModelServiceUnavailable
from polyagent.settings import Ai, RerankService
from tests.model_service import Meanings, ModelService
from tests.openai.caller import HastyClock


@asynccontextmanager
async def reranker(meanings: Meanings) -> AsyncIterator[ServiceReranker]:
    async with ModelService(meanings=meanings) as service:
        asking = Asking(Ai(url=service.url), HastyClock())
        yield ServiceReranker(RerankService(model="judge", url=service.url), asking)
        await asking.wire.aclose()


async def test_the_most_relevant_comes_first() -> None:
    meanings = Meanings()
    async with reranker(meanings) as judge:
        ranked = await judge.rank("cheap car", ["trees", "inexpensive automobile", "red car"])

    assert [place for place, _ in ranked] == [1, 2, 0]
    assert meanings.bodies[0]["model"] == "judge"
    assert meanings.bodies[0]["top_n"] == 3


@pytest.mark.parametrize("does", [500, 404, "twice", "beyond"])
async def test_what_fails_or_makes_no_sense_is_told(does: int | str) -> None:
    meanings = Meanings()
    meanings.does.append(does)
    async with reranker(meanings) as judge:
        with pytest.raises(ModelServiceUnavailable if does != 404 else Exception):
            await judge.rank("a car", ["trees", "cars"])
