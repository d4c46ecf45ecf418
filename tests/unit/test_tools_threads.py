import asyncio
import contextvars
import threading
from functools import partial

import pytest

from polyagent.adapters.functions.threads import Threads

WAIT_S = 30


async def test_so_many_work_at_once_and_the_next_waits_for_a_place() -> None:
    threads, gate = Threads(at_once=2), threading.Event()
    begun: list[int] = []

    def work(n: int) -> None:
        begun.append(n)
        gate.wait(WAIT_S)

    calls = [asyncio.create_task(threads(partial(work, n))) for n in range(3)]
    async with asyncio.timeout(WAIT_S):
        while len(begun) < 2:
            await asyncio.sleep(0)
        assert not calls[2].done()
        gate.set()
        await asyncio.gather(*calls)

    assert sorted(begun) == [0, 1, 2]


async def test_a_caller_that_leaves_frees_no_place_before_the_thread_has_ended() -> None:
    threads, gate, begun = Threads(at_once=1), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        gate.wait(WAIT_S)

    call = asyncio.create_task(threads(work))
    async with asyncio.timeout(WAIT_S):
        while not begun.is_set():
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        second = asyncio.create_task(threads(lambda: "second"))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not second.done()
        gate.set()

        assert await second == "second"


async def test_it_sees_the_context_of_its_caller() -> None:
    variable = contextvars.ContextVar("variable", default="elsewhere")
    variable.set("here")

    assert await Threads()(variable.get) == "here"


async def test_an_iteration_that_ends_too_soon_is_an_error_and_no_silence() -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        async with asyncio.timeout(WAIT_S):
            await Threads()(lambda: next(iter([])))


def test_a_thread_that_outlives_its_loop_disturbs_nobody() -> None:
    gate, begun = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        gate.wait(WAIT_S)

    async def leave() -> None:
        task = asyncio.create_task(Threads()(work))
        while not begun.is_set():
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(leave())
    (left,) = [each for each in threading.enumerate() if each.name == "polyagent-tool"]
    gate.set()
    left.join(WAIT_S)

    assert left.daemon
    assert not left.is_alive()
