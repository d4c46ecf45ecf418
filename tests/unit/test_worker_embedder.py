import asyncio

import pytest

from polyagent.adapters.system.clock import SystemClock
from polyagent.adapters.worker.embedder import HOPELESS_S, LOOK_S, Embedder
from polyagent.domain.errors import ModelServiceUnavailable, PolyAgentError, VectorsImpossible
from polyagent.usecases.documents.embed import EmbedDocuments
from tests.unit.test_passage_search import TEXTS, Desk


class Pausing(SystemClock):
    """Sleeps no time, and brings the service back meanwhile; `slept` is how long it was asked to."""

    def __init__(self, desk: Desk) -> None:
        self.slept: list[float] = []
        self.twice = asyncio.Event()
        self._desk = desk

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._desk.meaning.away = None
        if len(self.slept) == 2:
            self.twice.set()
            await asyncio.Event().wait()
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("error", "pause_s"),
    [(ModelServiceUnavailable("Away."), LOOK_S), (VectorsImpossible("No."), HOPELESS_S)],
)
async def test_what_lacks_vectors_gets_them_when_the_service_is_back(
    error: PolyAgentError, pause_s: float
) -> None:
    desk = Desk()
    clock = Pausing(desk)
    await desk.puts(*TEXTS)
    desk.meaning.away = error

    async with Embedder(EmbedDocuments(desk.meaning, desk.vectors), clock).running():
        async with asyncio.timeout(30):
            await clock.twice.wait()

    assert clock.slept == [pause_s, LOOK_S]
    assert (await desk.asks("doctor")).mode == "hybrid"
