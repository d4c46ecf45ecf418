"""Answers questions about a git repository with dulwich: reads objects, runs nothing, writes nothing."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from dulwich.errors import NotTreeError
from dulwich.objects import (
    Blob,
    Commit,
    ObjectID,
    ShaFile,
    SubmoduleEncountered,
    Tree,
    valid_hexsha,
)
from dulwich.objectspec import AmbiguousShortId, parse_commit, parse_object
from dulwich.refs import Ref
from dulwich.repo import Repo

from polyagent.adapters.functions.isolated.child import serve
from polyagent.adapters.functions.isolated.git_text import MAX_TEXT, cut, described, patch
from polyagent.adapters.functions.isolated.repository import opened
from polyagent.adapters.functions.isolated.requests import Action, Question
from polyagent.domain.errors import ToolFailed

MAX_NAMES = 200

_REVISION = re.compile(r"(?P<name>[^:~^{]+)(?P<steps>(?:[~^][0-9]*)*)")


def answer(question: Question) -> Any:
    """Raises `ToolFailed`."""
    with opened(question.repository, question.allowed) as repository:
        return _ACTIONS[question.action](repository, question)


def _log(repository: Repo, question: Question) -> Any:
    walker = repository.get_walker(
        include=[_commit(repository, question.revision).id],
        max_entries=question.limit,
        paths=_paths(question),
    )
    return {"commits": [described(entry.commit, 1_000) for entry in walker]}


def _show(repository: Repo, question: Question) -> Any:
    commit = _commit(repository, question.revision)
    parent = _parent_tree(repository, commit)
    shown = patch(repository.object_store, parent, commit.tree, _paths(question))
    return described(commit, MAX_TEXT) | shown


def _diff(repository: Repo, question: Question) -> Any:
    new = _commit(repository, question.revision)
    if question.base is not None:
        old: ObjectID | None = _commit(repository, question.base).tree
    else:
        old = _parent_tree(repository, new)
    return patch(repository.object_store, old, new.tree, _paths(question))


def _branches(repository: Repo, _: Question) -> Any:
    found = repository.refs.as_dict(Ref(b"refs/heads"))
    # a loose ref is whatever its file says: show only what is an id
    ids = {name: sha for name, sha in sorted(found.items()) if valid_hexsha(sha)}
    current = repository.refs.get_symrefs().get(Ref(b"HEAD"), Ref(b""))
    branches = [{"name": _text(name), "commit": _text(ids[name])} for name in [*ids][:MAX_NAMES]]
    return {
        "current": _text(current.removeprefix(b"refs/heads/")) or None,
        "branches": branches,
        "truncated": len(ids) > MAX_NAMES,
    }


def _file(repository: Repo, question: Question) -> Any:
    found = _at(
        repository, _commit(repository, question.revision), (question.path or "").strip("/")
    )
    if isinstance(found, Tree):
        names = [_text(entry.path) + "/" * (entry.mode == 0o40000) for entry in found.iteritems()]
        return {"entries": names[:MAX_NAMES], "truncated": len(names) > MAX_NAMES}
    if not isinstance(found, Blob):
        raise ToolFailed(f"{question.path!r} is no file.")
    if b"\x00" in found.data[:8_000]:
        raise ToolFailed(f"{question.path!r} is a binary file of {len(found.data)} bytes.")
    return cut(found.data, "text")


_ACTIONS: Mapping[Action, Callable[[Repo, Question], Any]] = {
    "log": _log,
    "show": _show,
    "diff": _diff,
    "branches": _branches,
    "file": _file,
}


def _commit(repository: Repo, revision: str) -> Commit:
    """Find a commit by branch, tag or id, with ~ and ^ behind it; not by index and reflog."""
    parts = _REVISION.fullmatch(revision)
    if parts is None:
        raise ToolFailed(f"{revision!r} is no branch, tag or commit.")
    try:
        commit = parse_commit(repository, parts["name"])
        stepped = parse_object(repository, commit.id + parts["steps"].encode())
        return parse_commit(repository, stepped.id)
    except AmbiguousShortId as error:
        raise ToolFailed(f"{revision!r} could be several commits; give more of it.") from error
    except (KeyError, ValueError) as error:
        raise ToolFailed(f"There is no commit {revision!r}.") from error


def _at(repository: Repo, commit: Commit, path: str) -> ShaFile:
    tree = repository[commit.tree]
    if not path or not isinstance(tree, Tree):
        return tree
    try:
        _, sha = tree.lookup_path(repository.get_object, path.encode())
        return repository[sha]
    except (KeyError, NotTreeError, SubmoduleEncountered) as error:
        raise ToolFailed(f"There is no file {path!r} at that revision.") from error


def _parent_tree(repository: Repo, commit: Commit) -> ObjectID | None:
    """Return what the commit is compared with: its first parent, nothing for a first or shallow one."""
    parents = repository.get_parents(commit.id, commit)
    return _commit(repository, parents[0].decode()).tree if parents else None


def _paths(question: Question) -> list[bytes] | None:
    path = (question.path or "").strip("/")
    return [path.encode()] if path else None


def _text(name: bytes) -> str:
    return name.decode(errors="replace")


if __name__ == "__main__":
    serve(answer, Question)
