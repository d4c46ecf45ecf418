"""Opening a git repository that may be read, and no other."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dulwich.errors import NotGitRepository
from dulwich.object_store import DiskObjectStore
from dulwich.repo import Repo

from polyagent.domain.errors import ToolFailed


@contextmanager
def opened(name: str, allowed: Sequence[str]) -> Iterator[Repo]:
    """Open the repository at `name`: a path, or what comes below an allowed directory.

    Nothing of it may lie outside the allowed directories, wherever links, `.git` files, worktrees and
    alternates lead. Raises `ToolFailed`, which never tells what is there.
    """
    roots = [Path(root).resolve() for root in allowed]
    for path in _candidates(name, roots):
        try:
            repository = Repo(str(path))
        except (NotGitRepository, OSError, ValueError):
            continue
        with repository:
            if all(_within(place, roots) for place in _places(repository)):
                yield repository
                return
    raise ToolFailed(f"There is no repository {name!r} that may be read here.")


def _candidates(name: str, roots: Sequence[Path]) -> Iterator[Path]:
    for root in roots:
        try:
            path = (root / name).resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            continue
        if _within(path, roots):
            yield path


def _within(path: Path, roots: Sequence[Path]) -> bool:
    return any(path.is_relative_to(root) for root in roots)


def _places(repository: Repo) -> Iterator[Path]:
    """Give what reading the repository touches, single refs and objects aside."""
    for directory in (repository.controldir(), repository.commondir()):
        for held in ("", "HEAD", "config", "packed-refs", "refs", "refs/heads", "refs/tags"):
            yield (Path(directory) / held).resolve()
    yield from _stores(repository.object_store)


def _stores(store: object) -> Iterator[Path]:
    if not isinstance(store, DiskObjectStore):
        return
    yield Path(store.path).resolve()
    yield Path(store.pack_dir).resolve()
    for alternate in store.alternates:
        yield from _stores(alternate)
