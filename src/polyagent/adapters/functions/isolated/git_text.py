"""Commits and patches as text of bounded size."""

import io
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from dulwich.diff_tree import tree_changes
from dulwich.object_store import BaseObjectStore
from dulwich.objects import Commit, ObjectID
from dulwich.patch import write_object_diff

MAX_TEXT = 100_000
MAX_NAME = 200


def described(commit: Commit, max_message: int) -> dict[str, Any]:
    return {
        "id": commit.id.decode(),
        "author": commit.author[:MAX_NAME].decode(errors="replace"),
        "date": _date(commit),
        "message": commit.message[:max_message].decode(errors="replace").strip(),
    }


def cut(data: bytes, name: str) -> dict[str, Any]:
    """Return what of `data` may be shown under `name`, and whether that is not all."""
    return {name: data[:MAX_TEXT].decode(errors="replace"), "truncated": len(data) > MAX_TEXT}


def patch(
    store: BaseObjectStore,
    old: ObjectID | None,
    new: ObjectID,
    paths: list[bytes] | None,
) -> dict[str, Any]:
    """Return the unified diff of two trees, `old` None: the empty one."""
    written = io.BytesIO()
    for change in tree_changes(store, old, new, paths=paths):
        write_object_diff(written, store, _side(change.old), _side(change.new))
        if written.tell() > MAX_TEXT:
            break
    return cut(written.getvalue(), "patch")


def _side(entry: Any) -> tuple[bytes | None, int | None, ObjectID | None]:
    return (None, None, None) if entry is None else (entry.path, entry.mode, entry.sha)


def _date(commit: Commit) -> str | None:
    """Return when the author says it was; commits may claim any number."""
    try:
        offset = timezone(timedelta(seconds=commit.author_timezone))
        return datetime.fromtimestamp(commit.author_time, UTC).astimezone(offset).isoformat()
    except (ValueError, OverflowError, OSError):
        return None
