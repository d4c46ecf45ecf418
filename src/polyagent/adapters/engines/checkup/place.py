"""Looking at a data directory, without changing it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from polyagent.adapters.engines.datadir import FREE_BYTES, LAYOUT, SECRETS, DataDir
from polyagent.adapters.engines.host.lock import holder, is_held
from polyagent.domain.finding import Finding, ok, problem, warning

SCARCE_BYTES = 2**30
OTHERS_LOOK = 0o066
ELSEWHERE = "choose another --data-dir, or become its owner"


def place(path: Path) -> Iterator[Finding]:
    """Find what is wrong with the directory; never raises."""
    try:
        yield from _existing(DataDir(path)) if path.exists() else _absent(path)
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        yield problem("data_directory", f"{path} cannot be read: {said}", ELSEWHERE)


def _absent(path: Path) -> Iterator[Finding]:
    above = next(parent for parent in path.parents if parent.exists())
    if os.access(above, os.W_OK | os.X_OK):
        yield ok("data_directory", f"{path} does not exist yet: `up` makes it")
    else:
        text = f"{path} does not exist, and {above} is not ours to write to"
        yield problem("data_directory", text, ELSEWHERE)


def _existing(data: DataDir) -> Iterator[Finding]:
    path = data.path
    if not path.is_dir():
        yield problem("data_directory", f"{path} is no directory", "choose another --data-dir")
        return
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        owner = path.stat().st_uid
        text = f"{path} belongs to user id {owner} and is not ours to write to"
        yield problem("data_directory", text, ELSEWHERE)
        return
    free = shutil.disk_usage(path).free
    yield ok("data_directory", f"{path}, {_holder(data)}")
    yield _space(free)
    yield from _layout(data)
    yield from _rights(data)


def _holder(data: DataDir) -> str:
    if is_held(data.lock):
        return f"in use by process {holder(data.lock)}"
    if is_held(data.engines_lock):
        return "in use by engines that are still stopping"
    return "in use by nobody" if data.is_ours() else "not used yet"


def _space(free: int) -> Finding:
    text = f"{free / 2**30:.1f} GB are free"
    if free < FREE_BYTES:
        advice = f"make room: `up` needs {FREE_BYTES // 2**20} MB"
        return problem("data_directory", text, advice)
    if free < SCARCE_BYTES:
        return warning("data_directory", text, "make room: the database grows")
    return ok("data_directory", text)


def _layout(data: DataDir) -> Iterator[Finding]:
    version = data.path / "VERSION"
    if version.exists() and (found := version.read_text().strip()) != str(LAYOUT):
        text = f"it has layout {found[:20]!r}, and this version of PolyAgent knows {LAYOUT}"
        yield problem("data_directory", text, "start the version that wrote it")


def _rights(data: DataDir) -> Iterator[Finding]:
    """Root's is 0711: the engines' account passes through."""
    if data.path.stat().st_mode & OTHERS_LOOK:
        mode = "711" if os.geteuid() == 0 else "700"
        yield warning(
            "data_directory",
            "others may look into it",
            "close it:",
            (f"chmod {mode} {data.path}",),
        )
    open_secrets = [
        str(path)
        for name in (*SECRETS, "endpoints.json", "config.yaml")
        if (path := data.path / name).exists() and path.stat().st_mode & 0o077
    ]
    if open_secrets:
        text = "others may read what can hold secrets"
        yield warning("data_directory", text, "close it:", (f"chmod 600 {' '.join(open_secrets)}",))
