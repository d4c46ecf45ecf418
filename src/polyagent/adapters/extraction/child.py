"""The child's side: limits, one file, its pieces."""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterator
from itertools import islice

import msgspec

from polyagent.adapters.extraction.formats.reading import read
from polyagent.adapters.extraction.requests import MEMORY_BYTES, Line, Refusal, Request
from polyagent.children import end_with_stdin, limit
from polyagent.domain.documents.chunking import cut
from polyagent.domain.errors import DocumentTooComplex, DocumentUnreadable

BATCH = 100
PR_SET_PDEATHSIG = 1
"""https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html"""
TOO_LARGE = "To read it takes more memory than one document may have."


def main() -> None:
    """Say who we are, and answer the one request on stdin; its end is the server's end, and then ours."""
    _confine()
    sys.stdout.buffer.write(b"%d\n" % os.getpid())
    sys.stdout.buffer.flush()
    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=Request)
    limit(resource.RLIMIT_CPU, request.cpu_s)
    content = sys.stdin.buffer.read(request.size_bytes)
    end_with_stdin()
    for line in _lines(request, content):
        sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
        sys.stdout.buffer.flush()
    # all is said: taking the interpreter down in good order would only cost time
    os._exit(0)


def _lines(request: Request, content: bytes) -> Iterator[Line]:
    try:
        pieces = cut(read(request.content_type, content), request.sizes)
        while batch := tuple(islice(pieces, BATCH)):
            yield Line(pieces=batch)
        yield Line(done=True)
    except DocumentUnreadable as error:
        yield Line(refusal=Refusal(code=error.code, detail=error.detail))
    except (MemoryError, RecursionError):
        yield Line(refusal=Refusal(code=DocumentTooComplex.code, detail=TOO_LARGE))


def end_with_parent() -> None:
    """Have the system end this process with its parent, whatever it is at.

    The thread that waits for the server's end needs the interpreter, which a library may not let go of.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _confine() -> None:
    """Allow nothing to be opened, files, connections or whatever, or written, and little memory and time.

    The data limit leaves out what is mapped for reading, the libraries themselves that is; macOS has none
    that works.
    """
    end_with_parent()
    limit(resource.RLIMIT_NOFILE, 0)
    limit(resource.RLIMIT_FSIZE, 0)
    limit(resource.RLIMIT_CORE, 0)
    if sys.platform == "linux":
        limit(resource.RLIMIT_DATA, MEMORY_BYTES)
