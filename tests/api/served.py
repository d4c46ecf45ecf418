"""The application over memory adapters as processes of its own, whose model never says a word.

python -m tests.api.served HOST PORT WORKERS [--reuse-port]

A worker that is ready leaves a token of ann in the directory READY_DIR, in a file named by its pid.
"""

import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from polyagent.adapters.http.server import serve
from polyagent.settings import Server

READ_TIMEOUT_S = 1.0
DRAIN_S = 1.0


def asgi() -> Any:
    from tests.api.house import SETTINGS, House  # noqa: PLC0415  for the workers only

    class SpeechlessHouse(House):
        async def furnish(self) -> None:
            await super().furnish()
            self.models.gate.clear()
            _tell(self.ann.token or "")

    server = Server(drain_s=DRAIN_S, read_timeout=READ_TIMEOUT_S)
    return SpeechlessHouse(msgspec.structs.replace(SETTINGS, server=server)).app


def _tell(token: str) -> None:
    unfinished = Path(os.environ["READY_DIR"], f"{os.getpid()}.unfinished")
    unfinished.write_text(token)
    unfinished.rename(unfinished.with_suffix(""))


def main(host: str, port: str, workers: str, *words: str) -> int:
    settings = Server(host=host, port=int(port), workers=int(workers), drain_s=DRAIN_S)
    code = serve("tests.api.served:asgi", settings, reuse_port="--reuse-port" in words)
    assert "litestar" not in sys.modules, "the main process is to stay small"
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
