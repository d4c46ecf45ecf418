"""The child's side: limits, one request, one answer."""

import os
import resource
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from polyagent.children import end_with_stdin, limit
from polyagent.domain.errors import ToolFailed

CPU_S = 20
MEMORY_BYTES = 512 * 1024 * 1024

T = TypeVar("T")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    result: Any = None
    error: str | None = None


def serve(job: Callable[[T], Any], request_type: type[T]) -> None:
    """Do the one job that a line of stdin asks for; its end is the parent's end, and then ours."""
    _confine()
    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=request_type)
    end_with_stdin()
    sys.stdout.buffer.write(msgspec.json.encode(_answer(job, request)))
    sys.stdout.buffer.flush()
    # all is said: taking the interpreter down in good order would only cost time
    os._exit(0)


def _answer(job: Callable[[T], Any], request: T) -> Answer:
    try:
        return Answer(result=job(request))
    except ToolFailed as error:
        return Answer(error=error.detail)
    except MemoryError:
        return Answer(error="It is too large to be looked at here.")


def _confine() -> None:
    """Allow no files to be written, little memory and little time.

    The data limit leaves out what is mapped for reading, packs of git that is; macOS has none that works.
    """
    limit(resource.RLIMIT_FSIZE, 0)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_CPU, CPU_S)
    if sys.platform == "linux":
        limit(resource.RLIMIT_DATA, MEMORY_BYTES)
