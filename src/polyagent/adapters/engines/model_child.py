"""The local model's own process: llama.cpp's server, which ends with whoever started it.

    python -P -m polyagent.adapters.engines.model_child PARENT UID GID   (a `Task` and a key on stdin)

It says one line on stdout when it listens; end of file on stdin ends it, on systems without a parent-death
signal too. Its threads, its memory and its crashes are not the gateway's.
"""

import os
import sys
from signal import SIGKILL
from typing import Any

import msgspec

from polyagent.adapters.engines import trampoline

OOM_SCORE = 800
NICE = 5
SLEEP_S = 300
MOST_THREADS = 4


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """`context_tokens` are shared out among the slots; more requests than slots wait."""

    file: str
    alias: str
    socket: str
    key: str
    context_tokens: int
    slots: int


def main(parent: str, uid: str, gid: str) -> None:
    import xllamacpp  # before the account changes: it may not reach our packages

    trampoline.offer(OOM_SCORE)
    trampoline.become(int(uid), int(gid))
    trampoline.die_with(int(parent), SIGKILL)
    os.nice(NICE)
    task = msgspec.json.decode(sys.stdin.buffer.readline(), type=Task)
    server = xllamacpp.Server(_parameters(xllamacpp.CommonParams(), task))
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    os._exit(0)  # its threads need no farewell


def _parameters(empty: Any, task: Task) -> Any:
    """Fill llama.cpp's parameters in. https://github.com/ggml-org/llama.cpp/tree/master/tools/server"""
    empty.model.path = task.file
    empty.model_alias = {task.alias}  # else /v1/models tells the file's path
    empty.hostnames = [task.socket]
    empty.api_keys = [task.key]
    empty.n_ctx = task.context_tokens
    empty.n_parallel = task.slots
    empty.cpuparams.n_threads = max(1, min(MOST_THREADS, (os.cpu_count() or 2) // 2))
    empty.cache_ram_mib = 0  # by default each prompt would stay, up to 8 GiB
    empty.sleep_idle_seconds = SLEEP_S
    empty.use_jinja = True
    empty.offline = True
    empty.ui = False
    empty.endpoint_slots = False
    empty.verbosity = 0
    return empty


if __name__ == "__main__":
    main(*sys.argv[1:])
