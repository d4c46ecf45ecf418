"""A gateway under cProfile: `python -m bench.subjects.profiled serve --port PORT`.

SIGUSR2 to its worker begins a profile; the next one ends it and writes its `Line`s to `BENCH_PROFILE`.
"""

import cProfile
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from polyagent.adapters.cli.options import Place
from polyagent.adapters.http.server import serve
from polyagent.app import processes
from polyagent.app.ground import hand_on, settled


class Line(msgspec.Struct, frozen=True):
    """What one function used of the processor, in seconds: by itself, and with all that it called."""

    file: str
    line: int
    name: str
    calls: int
    own_s: float
    all_s: float


class Switch:
    def __init__(self) -> None:
        self._profile: cProfile.Profile | None = None

    def __call__(self, *_: object) -> None:
        if self._profile is None:
            self._profile = cProfile.Profile(time.thread_time)  # what others use is none of ours
            self._profile.enable()
        else:
            self._profile.disable()
            _write(self._profile)
            self._profile = None


def _write(profile: cProfile.Profile) -> None:
    profile.create_stats()
    lines = [
        Line(*where, calls, own_s, all_s)
        for where, (_, calls, own_s, all_s, _) in profile.stats.items()
    ]
    target = Path(os.environ["BENCH_PROFILE"])
    unfinished = target.with_suffix(".new")
    unfinished.write_bytes(msgspec.json.encode(lines))
    unfinished.rename(target)


def asgi() -> Any:
    application = processes.asgi()
    signal.signal(signal.SIGUSR2, Switch())
    return application


def main(port: str) -> int:
    settings = settled(Place(None, None).settings(port=int(port)))
    hand_on(settings)
    return serve("bench.subjects.profiled:asgi", settings.server, reuse_port=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[-1]))
