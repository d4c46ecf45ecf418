"""What `up` is asked to start."""

import sys
from pathlib import Path

import msgspec

from polyagent.adapters.engines.errors import EngineError


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`postgres`, `valkey` and `model` say which engines are ours to start; the rest is configured elsewhere.
    `model_elsewhere` is the address of a model service that is not ours.

    `prepare` applies the migrations, prints one line of JSON (`domain.startup.Prepared`) and ends;
    `gateway` and `worker` stay, and end on SIGTERM. `environment` is the whole environment of the three.
    """

    data_dir: Path
    host: str
    port: int
    postgres: bool
    valkey: bool
    model: bool
    model_file: Path | None
    model_elsewhere: str | None
    prepare: tuple[str, ...]
    gateway: tuple[str, ...]
    worker: tuple[str, ...]
    environment: dict[str, str]


def check_platform() -> None:
    """Raise `EngineError` where there are no engines and no way to supervise them."""
    if sys.platform == "win32":
        raise EngineError(
            "`up` does not run on Windows: use WSL2, or `polyagent chat --url` with a server elsewhere"
        )
