"""Documents in the terminal: a real server reads, finds and answers from them."""

import json
from pathlib import Path

from tests.e2e.server import Up
from tests.files import pdf

LEASE = "The notice period is three months."


def test_a_question_is_answered_from_a_file_with_what_it_cites(up: Up, tmp_path: Path) -> None:
    file = tmp_path / "law.pdf"
    file.write_bytes(pdf("Rent is due.", LEASE))

    right = up.run("documents", "ask", "cite notice period is three", str(file))
    wrong = up.run("documents", "ask", "cite a year", str(file))

    said, cited = right.stdout.splitlines()
    assert (right.returncode, right.stderr) == (0, "")
    assert said.startswith("It says [[")
    assert cited == '[1] law.pdf, page 2: "notice period is three" (verified)'
    assert wrong.stdout.splitlines()[1] == '[1] law.pdf, page 1: "a year" (NOT VERIFIED)'


def test_a_directory_is_added_found_and_deleted(up: Up, tmp_path: Path) -> None:
    (tmp_path / "lease.txt").write_text(LEASE)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "bees.md").write_text("# Bees\n\nBees make honey in summer.\n")

    added = up.run("documents", "add", str(tmp_path), "--collection", "shelf", "--json")
    found = up.run("documents", "search", "who makes honey?", "--collection", "shelf")
    told = [json.loads(line) for line in added.stdout.splitlines()]
    deleted = up.run("documents", "delete", *[each["id"] for each in told])
    gone = up.run("documents", "ask", "cite bees", "--collection", "shelf")

    assert added.returncode == 0, added.stderr
    assert [(each["filename"], each["status"]) for each in told] == [
        ("bees.md", "indexed"),
        ("lease.txt", "indexed"),
    ]
    assert found.stdout.splitlines()[0].startswith("1. bees.md  (")
    assert deleted.returncode == 0, deleted.stderr
    assert (gone.returncode, gone.stdout) == (1, "")
    assert "There is no indexed document in shelf" in gone.stderr


def test_what_cannot_be_read_is_said_and_nothing_is_asked(up: Up, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text(" ")

    asked = up.run("documents", "ask", "cite bees", str(tmp_path / "empty.txt"))

    assert (asked.returncode, asked.stdout) == (1, "")
    first, last = asked.stderr.splitlines()
    assert first.startswith("empty.txt: ")
    assert last == "polyagent: 1 of 1 files could not be indexed."
