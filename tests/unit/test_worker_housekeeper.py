import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from polyagent.adapters.memory.clock import ManualClock
from polyagent.adapters.memory.documents.blobs import MemoryBlobs
from polyagent.adapters.memory.documents.documents import MemoryIndexes
from polyagent.adapters.memory.state import DocumentRow, State
from polyagent.adapters.worker.housekeeper import SWEEP_S, Housekeeper
from polyagent.domain.documents.document import Document
from polyagent.domain.errors import StoreUnavailable
from polyagent.domain.ids import new_id
from polyagent.usecases.documents.sweep_blobs import SweepBlobs


class Dust:
    """An upkeep that answers, or raises, what it is given, and then that nothing is left."""

    def __init__(self, *answers: bool | Exception) -> None:
        self.sweeps = 0
        self.clean = asyncio.Event()
        self._answers = list(answers)

    async def sweep(self) -> bool:
        self.sweeps += 1
        answer = self._answers.pop(0) if self._answers else False
        if isinstance(answer, Exception):
            raise answer
        if not answer and not self._answers:
            self.clean.set()
        return answer


def _storage(clock: ManualClock, blobs: MemoryBlobs | None = None, *known: str) -> SweepBlobs:
    state = State()
    for name in known:
        document = Document(
            id=new_id(),
            workspace_id=new_id(),
            owner_id=new_id(),
            filename="a.txt",
            content_type="text/plain",
            size_bytes=1,
            sha256="",
            created_at=clock.now(),
        )
        state.documents[document.id] = DocumentRow(document=document, blob=name)
    return SweepBlobs(blobs or MemoryBlobs(), MemoryIndexes(state, clock), clock)


async def _swept(dust: Dust) -> None:
    clock = ManualClock()
    async with Housekeeper(dust, _storage(clock), clock).running(), asyncio.timeout(30):
        while not dust.clean.is_set():
            await asyncio.sleep(0)
            clock.move(SWEEP_S)


async def test_it_sweeps_until_nothing_is_left() -> None:
    dust = Dust(True, True, False)

    await _swept(dust)

    assert dust.sweeps >= 3


async def test_it_goes_on_whatever_went_wrong() -> None:
    dust = Dust(StoreUnavailable("away"), RuntimeError("a defect"), True, False)

    await _swept(dust)

    assert dust.sweeps >= 4


async def test_uploads_that_became_no_document_are_thrown_away_after_a_day() -> None:
    clock, blobs = ManualClock(), MemoryBlobs()
    clock.move((datetime.fromtimestamp(time.time(), UTC) - clock.now()).total_seconds())
    orphan, known = str(new_id()), str(new_id())
    for name in (orphan, known, "somebody else's"):
        await blobs.put(name, _nothing())
    sweep = _storage(clock, blobs, known)

    young = await sweep()
    clock.move(25 * 3600)
    old = await sweep()

    assert (young, old) == (0, 1)
    assert [name async for names in blobs.names() for name in names] == [known, "somebody else's"]


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


async def test_it_ends_with_its_block() -> None:
    dust, clock = Dust(), ManualClock()

    async with Housekeeper(dust, _storage(clock), clock).running():
        await asyncio.sleep(0)

    clock.move(10 * SWEEP_S)
    await asyncio.sleep(0)
    assert dust.sweeps == 0
