from pathlib import Path
from typing import Any

import pytest
from dulwich.objects import Commit

from polyagent.adapters.functions.isolated.git_reading import answer
from polyagent.adapters.functions.isolated.git_text import MAX_TEXT, described
from polyagent.adapters.functions.isolated.requests import Action, Question
from polyagent.domain.errors import ToolFailed
from tests.repositories import repository

FIRST = {"README": b"one\ntwo\n", "src/main.py": b"print(1)\n", "logo": b"\x89PNG\x00\x01"}
SECOND = {**FIRST, "README": b"one\n2\n"}
THIRD = {**SECOND, "big": b"x\n" * MAX_TEXT, "latin": b"caf\xe9\n"}


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    return tmp_path / "allowed"


@pytest.fixture
def ids(allowed: Path) -> list[str]:
    return repository(allowed / "project", FIRST, SECOND, THIRD)


def asked(
    allowed: Path,
    action: Action,
    *,
    repository: str = "project",
    revision: str = "HEAD",
    base: str | None = None,
    path: str | None = None,
    limit: int = 10,
) -> Any:
    return answer(
        Question(
            allowed=(str(allowed),),
            repository=repository,
            action=action,
            revision=revision,
            base=base,
            path=path,
            limit=limit,
        )
    )


def test_a_log_begins_with_the_newest(allowed: Path, ids: list[str]) -> None:
    commits = asked(allowed, "log", limit=2)["commits"]

    assert [commit["id"] for commit in commits] == [ids[2], ids[1]]
    assert commits[1] == {
        "id": ids[1],
        "author": "Ana Ñ <ana@example.org>",
        "date": "2026-01-01T03:00:00+02:00",
        "message": "Change 1\n\nBecause of 1.",
    }


@pytest.mark.parametrize(("seconds", "zone"), [(10**18, 0), (0, 600_000), (-(10**18), 0)])
def test_a_date_that_no_calendar_has_is_left_out(seconds: int, zone: int) -> None:
    commit = Commit()
    commit.author = b"a" * 10_000
    commit.author_time, commit.author_timezone = seconds, zone
    commit.message = b"m"
    commit.tree, commit.committer = b"0" * 40, b"c"
    commit.commit_time = commit.commit_timezone = 0

    shown = described(commit, 10)

    assert shown["date"] is None
    assert len(shown["author"]) == 200


def test_a_log_of_a_path_is_what_changed_it(allowed: Path, ids: list[str]) -> None:
    commits = asked(allowed, "log", path="/src/")["commits"]

    assert [commit["id"] for commit in commits] == [ids[0]]


def test_a_commit_is_shown_with_its_patch(allowed: Path, ids: list[str]) -> None:
    shown = asked(allowed, "show", revision=ids[1][:8])

    assert shown["id"] == ids[1]
    assert shown["patch"].splitlines()[-3:] == [" one", "-two", "+2"]
    assert shown["truncated"] is False


def test_a_first_commit_is_shown_against_nothing(allowed: Path, ids: list[str]) -> None:
    shown = asked(allowed, "show", revision=ids[0], path="src")

    assert "+print(1)" in shown["patch"]
    assert "README" not in shown["patch"]


def test_a_diff_has_two_ends(allowed: Path, ids: list[str]) -> None:
    both = asked(allowed, "diff", base=ids[0], revision="main~1")
    back = asked(allowed, "diff", base="HEAD^", revision="HEAD~2")
    alone = asked(allowed, "diff", revision="main~1")

    assert both["patch"].splitlines()[-2:] == ["-two", "+2"]
    assert back["patch"].splitlines()[-2:] == ["-2", "+two"]
    assert alone == both


def test_a_patch_is_bounded(allowed: Path, ids: list[str]) -> None:
    patch = asked(allowed, "show", revision=ids[2])

    assert patch["truncated"] is True
    assert len(patch["patch"]) == MAX_TEXT


def test_branches_are_listed(allowed: Path, ids: list[str]) -> None:
    heads = allowed / "project/.git/refs/heads"
    (heads / "topic").write_text(ids[0] + "\n")
    secret = allowed.parent / "secret"
    secret.write_text("the password is swordfish and no commit at all")
    (heads / "leak").symlink_to(secret)

    listed = asked(allowed, "branches")

    assert listed["current"] == "main"
    assert listed["branches"] == [
        {"name": "main", "commit": ids[2]},
        {"name": "topic", "commit": ids[0]},
    ]


def test_a_file_is_as_it_was(allowed: Path, ids: list[str]) -> None:
    now = asked(allowed, "file", path="README")
    then = asked(allowed, "file", path="README", revision=ids[0])

    assert now == {"text": "one\n2\n", "truncated": False}
    assert then["text"] == "one\ntwo\n"


def test_a_file_in_another_encoding_can_be_read(allowed: Path, ids: list[str]) -> None:
    assert asked(allowed, "file", path="latin")["text"] == "caf\ufffd\n"


def test_a_directory_is_listed(allowed: Path, ids: list[str]) -> None:
    assert asked(allowed, "file")["entries"] == ["README", "big", "latin", "logo", "src/"]
    assert asked(allowed, "file", path="src/")["entries"] == ["main.py"]


@pytest.mark.parametrize(
    ("action", "more", "reason"),
    [
        ("file", {"path": "logo"}, "binary file of 6 bytes"),
        ("file", {"path": "nothing"}, "no file 'nothing'"),
        ("file", {"path": "README/deeper"}, "no file 'README/deeper'"),
        ("file", {"path": "../project/README"}, "no file"),
        ("log", {"revision": "nothing"}, "no commit 'nothing'"),
        ("log", {"revision": "HEAD~9"}, "no commit 'HEAD~9'"),
        ("log", {"revision": "~"}, "no branch, tag or commit"),
        ("log", {"revision": "HEAD^9"}, "no commit"),
        ("log", {"revision": "HEAD:README"}, "no branch, tag or commit"),
        ("log", {"revision": "HEAD@{1}"}, "no branch, tag or commit"),
        ("diff", {"base": "0" * 40}, "no commit"),
        ("log", {"repository": "nothing"}, "no repository 'nothing'"),
        ("log", {"repository": "project/src"}, "no repository"),
        ("log", {"repository": ""}, "no repository"),
        ("log", {"repository": "a\x00b"}, "no repository"),
        ("log", {"repository": "x" * 1000}, "no repository"),
    ],
)
def test_what_is_not_there_is_said(
    allowed: Path, ids: list[str], action: Action, more: dict[str, str], reason: str
) -> None:
    with pytest.raises(ToolFailed, match=reason):
        asked(allowed, action, **more)  # type: ignore[arg-type] # parameters of this test


def test_a_repository_without_commits_has_none(allowed: Path) -> None:
    repository(allowed / "empty")

    with pytest.raises(ToolFailed, match="no commit 'HEAD'"):
        asked(allowed, "log", repository="empty")

    assert asked(allowed, "branches", repository="empty")["branches"] == []


def test_the_allowed_directory_may_be_the_repository(allowed: Path, ids: list[str]) -> None:
    by_itself = asked(allowed / "project", "log", repository=".")
    by_path = asked(allowed, "log", repository=str(allowed / "project"))

    assert by_itself == by_path


@pytest.mark.parametrize("name", ["../outside", "link", "inner/../../outside"])
def test_a_repository_outside_is_not_read(allowed: Path, ids: list[str], name: str) -> None:
    repository(allowed.parent / "outside", FIRST)
    (allowed / "link").symlink_to(allowed.parent / "outside")
    (allowed / "inner").mkdir()

    with pytest.raises(ToolFailed, match="no repository"):
        asked(allowed, "log", repository=name)
    with pytest.raises(ToolFailed, match="no repository"):
        asked(allowed, "log", repository=str(allowed.parent / "outside"))


def test_a_link_inside_is_followed(allowed: Path, ids: list[str]) -> None:
    (allowed / "link").symlink_to("project")

    assert asked(allowed, "log", repository="link")["commits"][0]["id"] == ids[2]


def test_a_loop_of_links_is_no_repository(allowed: Path, ids: list[str]) -> None:
    (allowed / "loop").symlink_to("loop")

    with pytest.raises(ToolFailed, match="no repository"):
        asked(allowed, "log", repository="loop")


def _git_directory_linked(inside: Path, outside: Path) -> None:
    inside.mkdir()
    (inside / ".git").symlink_to(outside / ".git")


def _git_directory_named(inside: Path, outside: Path) -> None:
    inside.mkdir()
    (inside / ".git").write_text(f"gitdir: {outside}/.git\n")


def _worktree(inside: Path, outside: Path) -> None:
    repository(inside, FIRST)
    (inside / ".git/commondir").write_text(f"{outside}/.git\n")


def _alternates(inside: Path, outside: Path) -> None:
    repository(inside, FIRST)
    (inside / ".git/objects/info/alternates").write_text(f"{outside}/.git/objects\n")


def _objects_linked(inside: Path, outside: Path) -> None:
    repository(inside)
    objects = inside / ".git/objects"
    objects.rename(inside / "objects")
    objects.symlink_to(outside / ".git/objects")


@pytest.mark.parametrize(
    "escape",
    [_git_directory_linked, _git_directory_named, _worktree, _alternates, _objects_linked],
)
def test_no_part_of_a_repository_lies_outside(allowed: Path, ids: list[str], escape: Any) -> None:
    outside = allowed.parent / "outside"
    [secret] = repository(outside, {"secret": b"swordfish"})
    escape(allowed / "trap", outside)

    with pytest.raises(ToolFailed, match="no repository 'trap'"):
        asked(allowed, "show", repository="trap", revision=secret)
