"""Running a coroutine to its end."""

from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def wait(work: Coroutine[Any, Any, T]) -> T:
    import asyncio  # 5 MB that the supervisor behind `polyagent up` does without

    return asyncio.run(work)
