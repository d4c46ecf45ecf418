"""Threads for functions that block."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 64


class Threads:
    """A thread a call, so many at once; further calls wait.

    A thread cannot be stopped: when its caller is cancelled it works on, keeps its place, and nobody
    reads its result. It is no thread of asyncio's executor, which lookups of names and passwords
    share, and it does not hold the end of the process up.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._places = asyncio.Semaphore(at_once)

    async def __call__(
        self, call: Callable[[], T], begins: Callable[[], object] = lambda: None
    ) -> T:
        """Call `begins` once there is a place: before that nothing has happened."""
        await self._places.acquire()
        begins()
        loop, done = asyncio.get_running_loop(), Future[T]()
        done.add_done_callback(lambda _: self._leave(loop))
        context = contextvars.copy_context()
        Thread(
            target=context.run, args=(_work, done, call), name="polyagent-tool", daemon=True
        ).start()
        return await asyncio.wrap_future(done)

    def _leave(self, loop: asyncio.AbstractEventLoop) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(self._places.release)


def _work(done: Future[T], call: Callable[[], T]) -> None:
    if not done.set_running_or_notify_cancel():  # from here on the caller cannot cancel it
        return
    try:
        done.set_result(call())
    except StopIteration as error:  # asyncio's futures take none
        done.set_exception(RuntimeError(f"the function raised {error!r}"))
    except BaseException as error:  # noqa: BLE001 - it is raised where the call was made
        done.set_exception(error)
