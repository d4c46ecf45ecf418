"""Git repositories for tests, made object by object: no git, nobody's configuration."""

from collections.abc import Mapping
from pathlib import Path

from dulwich.objects import Blob, Commit, ObjectID, Tree
from dulwich.refs import Ref
from dulwich.repo import Repo

Files = Mapping[str, bytes]


def repository(path: Path, *history: Files) -> list[str]:
    """Make a repository on `main` with a commit for each set of files; return their ids."""
    path.mkdir(parents=True)
    with Repo.init(str(path)) as made:
        made.refs.set_symbolic_ref(Ref(b"HEAD"), Ref(b"refs/heads/main"))
        ids: list[str] = []
        for number, files in enumerate(history):
            parents = [ObjectID(ids[-1].encode())] if ids else []
            ids.append(_commit(made, number, files, parents))
    return ids


def _commit(made: Repo, number: int, files: Files, parents: list[ObjectID]) -> str:
    commit = Commit()
    commit.tree = _tree(made, files).id
    commit.parents = parents
    commit.author = commit.committer = "Ana Ñ <ana@example.org>".encode()
    commit.author_time = commit.commit_time = 1_767_225_600 + number * 3600
    commit.author_timezone = commit.commit_timezone = 7200
    commit.message = f"Change {number}\n\nBecause of {number}.\n".encode()
    made.object_store.add_object(commit)
    made.refs[Ref(b"refs/heads/main")] = commit.id
    return commit.id.decode()


def _tree(made: Repo, files: Files) -> Tree:
    """One level of directories is enough for tests."""
    tree = Tree()
    folders: dict[str, dict[str, bytes]] = {}
    for name, content in files.items():
        folder, slash, rest = name.partition("/")
        if slash:
            folders.setdefault(folder, {})[rest] = content
            continue
        blob = Blob.from_string(content)
        made.object_store.add_object(blob)
        tree.add(name.encode(), 0o100644, blob.id)
    for folder, inner in folders.items():
        tree.add(folder.encode(), 0o040000, _tree(made, inner).id)
    made.object_store.add_object(tree)
    return tree
