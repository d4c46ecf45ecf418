"""`polyagent documents` against a scripted server on a real socket."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from polyagent.adapters.cli.documents.files import Source
from polyagent.adapters.cli.main import cli
from tests.unit.chat_server import (
    CHAT,
    ScriptedServer,
    completed,
    done,
    hangs_up,
    says,
    scripted_server,
    streams,
)
from tests.unit.fake_product import FakeProduct

DOCUMENTS = "/api/v1/documents"
ID = "01990000-0000-7000-8000-000000000001"
DOCUMENT: dict[str, Any] = {
    "id": ID,
    "filename": "a.txt",
    "status": "uploaded",
    "progress": 0,
    "chunk_count": 0,
    "collection": None,
    "error": None,
    "owner_id": "ann",
    "visibility": "private",
}
INDEXED = {**DOCUMENT, "status": "indexed", "progress": 1, "chunk_count": 3}
ERROR = {"code": "no_text", "detail": "There is no text in it."}
UPLOAD = f"POST {DOCUMENTS}/upload"
SEARCH = f"POST {DOCUMENTS}/search"
PROFILE = "GET /api/v1/users/profile"
FAILED = {**DOCUMENT, "status": "failed", "error": ERROR}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as made:
        yield made


def asked(server: ScriptedServer, *words: str, piped: str | None = None) -> Result:
    words = ("documents", *words, "--url", server.url, "--token", "t")
    env = {"POLYAGENT_CONFIG": ""}
    return CliRunner().invoke(cli, words, obj=FakeProduct, env=env, input=piped)


def uploaded(server: ScriptedServer) -> list[str]:
    """Return the names that files were uploaded under."""
    sent = [body for _, body in server.of(UPLOAD)]
    return [body.split(b'filename="')[1].split(b'"')[0].decode() for body in sent]


def test_documents_are_listed_in_columns(server: ScriptedServer) -> None:
    server.on(f"GET {DOCUMENTS}", says(200, {"items": [INDEXED], "next_cursor": None}))

    result = asked(server, "list", "--status", "indexed")

    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[1].split() == [ID, "a.txt", "indexed", "100%", "3"]


def test_a_file_is_uploaded_and_waited_for(server: ScriptedServer, tmp_path: Path) -> None:
    server.on(f"POST {DOCUMENTS}/upload", says(202, DOCUMENT))
    server.on(f"GET {DOCUMENTS}/{ID}", says(200, INDEXED))
    (tmp_path / "a.txt").write_text("hello")

    result = asked(server, "add", str(tmp_path / "a.txt"), "--collection", "tales")

    assert result.exit_code == 0, result.output
    assert "indexed" in result.output


def test_a_file_that_cannot_be_read_is_said(server: ScriptedServer, tmp_path: Path) -> None:
    server.on(f"POST {DOCUMENTS}/upload", says(202, FAILED))
    (tmp_path / "a.txt").write_text("")

    result = asked(server, "add", str(tmp_path / "a.txt"))

    assert result.exit_code == 1
    assert "a.txt: There is no text in it." in result.output


def test_a_directory_stands_for_the_documents_in_it(server: ScriptedServer, tmp_path: Path) -> None:
    for name in ("b.md", "deep/a.PDF", "deep/notes.py", ".git/c.txt", ".hidden.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("hello")
    server.on(UPLOAD, *[says(200, INDEXED)] * 9)

    result = asked(server, "add", str(tmp_path), str(tmp_path / "b.md"))

    assert result.exit_code == 0, result.output
    assert uploaded(server) == ["b.md", "a.PDF"]


def test_a_pattern_that_no_shell_resolved_is_resolved(
    server: ScriptedServer, tmp_path: Path
) -> None:
    for name in ("b.txt", "a.txt", "c.md", "[d].txt"):
        (tmp_path / name).write_text("hello")
    server.on(UPLOAD, *[says(200, INDEXED)] * 9)

    asked(server, "add", str(tmp_path / "[d].txt"), str(tmp_path / "?.txt"))

    assert uploaded(server) == ["[d].txt", "a.txt", "b.txt"]


@pytest.mark.parametrize("word", ["nothing.txt", "*.txt", ""])
def test_what_is_no_file_is_wrong_usage(server: ScriptedServer, tmp_path: Path, word: str) -> None:
    (tmp_path / "a.py").write_text("hello")

    result = asked(server, "add", str(tmp_path / word))

    assert result.exit_code == 2
    assert not server.asked


def test_what_is_piped_in_is_a_file(server: ScriptedServer) -> None:
    server.on(UPLOAD, says(200, INDEXED))

    asked(server, "add", "-", "--name", "notes.md", piped="# hello")

    assert uploaded(server) == ["notes.md"]
    assert b"# hello" in server.of(UPLOAD)[0][1]


def test_a_pipe_is_a_file_and_a_device_is_none(server: ScriptedServer, tmp_path: Path) -> None:
    server.on(UPLOAD, says(200, INDEXED))
    pipe = tmp_path / "made.md"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("# made on the way",), daemon=True)
    writer.start()

    result = asked(server, "add", str(pipe), os.devnull)

    assert result.exit_code == 1, result.output
    assert "null: It is no file." in result.output
    assert uploaded(server) == ["made.md"]
    assert b"# made on the way" in server.of(UPLOAD)[0][1]


def test_a_file_that_grows_is_sent_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"one\n")

    with Source("a.log", path).open() as file:
        with path.open("ab") as other:
            other.write(b"two\n" * 100_000)
        first, rest = file.read(2), file.read()

    assert first + rest == b"one\n"


def test_of_many_files_each_that_is_not_taken_is_said(
    server: ScriptedServer, tmp_path: Path
) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.txt").write_text("hello")
    refusal = {"code": "document_type_unsupported", "detail": "It is none of pdf, docx."}
    server.on(UPLOAD, *[says(200, INDEXED)] * 9, says(415, refusal), *[says(200, INDEXED)] * 20)

    result = asked(server, "add", str(tmp_path), "--json")

    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["status"] for each in told] == ["indexed"] * 9 + ["refused"] + ["indexed"] * 20
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "09.txt: It is none of pdf, docx.",
        "polyagent: 1 of 30 files could not be indexed.",
    ]


def test_a_server_that_is_busy_or_gone_for_a_moment_gets_the_file_again(
    server: ScriptedServer, tmp_path: Path
) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("hello")
    busy = says(429, {"code": "limited", "detail": "Later."}, Retry_After="0")
    server.on(UPLOAD, says(200, INDEXED), busy, hangs_up, says(202, DOCUMENT))
    server.on(f"GET {DOCUMENTS}/{ID}", says(503, {"detail": "Away."}), says(200, INDEXED))

    result = asked(server, "add", str(tmp_path))

    assert result.exit_code == 0, result.output
    assert [b"hello" in body for _, body in server.of(UPLOAD)] == [True] * 4


def test_a_document_that_is_deleted_meanwhile_is_said(
    server: ScriptedServer, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("hello")
    server.on(UPLOAD, says(202, DOCUMENT))
    server.on(f"GET {DOCUMENTS}/{ID}", says(404, {"code": "not_found", "detail": "It is gone."}))

    result = asked(server, "add", str(tmp_path / "a.txt"))

    assert result.exit_code == 1
    assert "a.txt: It is gone." in result.stderr


def test_a_document_is_shown_whole(server: ScriptedServer) -> None:
    server.on(f"GET {DOCUMENTS}/{ID}", says(200, INDEXED))

    assert json.loads(asked(server, "show", ID).output) == INDEXED


def test_documents_are_deleted_though_one_is_not_there(server: ScriptedServer) -> None:
    gone = f"{ID[:-1]}2"
    server.on(f"DELETE {DOCUMENTS}/{gone}", says(404, {"code": "not_found", "detail": "None."}))
    server.on(f"DELETE {DOCUMENTS}/{ID}", says(204, b""))

    result = asked(server, "delete", gone, ID)

    assert (result.exit_code, result.stdout) == (1, f"{ID} is deleted.\n")
    assert result.stderr == "polyagent: None.\n"


PASSAGE = {"filename": "a\x1b[2J.pdf", "page": 3, "score": 0.8634, "text": f"bees\n {'y' * 400}"}


def test_passages_are_shown_with_their_place(server: ScriptedServer) -> None:
    server.on(SEARCH, says(200, {"items": [PASSAGE], "mode": "text", "note": "By words."}))

    words = ("bees", "--collection", "c", "--document", ID, "--mode", "hybrid", "--top-k", "3")
    result = asked(server, "search", *words)

    ((_, ask),) = server.of(SEARCH)
    assert ask == {
        "query": "bees",
        "top_k": 3,
        "collection": "c",
        "document_ids": [ID],
        "mode": "hybrid",
    }
    first, second = result.stdout.splitlines()
    assert first == "1. a[2J.pdf, page 3  (0.863)"
    assert second.startswith("   bees yyy")
    assert len(second) < 320
    assert result.stderr == "[By words.]\n"


def test_passages_are_shown_as_json(server: ScriptedServer) -> None:
    server.on(SEARCH, says(200, {"items": [PASSAGE], "mode": "text", "note": "By words."}))

    result = asked(server, "search", "bees", "--json")

    assert json.loads(result.stdout) == PASSAGE
    assert result.stderr == ""


CITATION = {"filename": "a.pdf", "page": 2, "quote": "three\nmonths", "verified": True}
INVENTED = {"filename": "deadbeef", "page": None, "quote": "a year", "verified": False}


def test_a_question_is_answered_from_files_and_what_it_cites_is_shown(
    server: ScriptedServer, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("hello")
    server.on(UPLOAD, says(200, INDEXED))
    cites = completed(1, "Three.", citations=[CITATION, INVENTED])
    server.on(CHAT, streams(cites, done(2)))

    result = asked(server, "ask", "How long?", str(tmp_path / "a.txt"))

    assert result.exit_code == 0, result.output
    assert server.of(CHAT)[0][1] == {"message": "How long?", "document_ids": [ID]}
    assert result.stdout.splitlines() == [
        "Three.",
        '[1] a.pdf, page 2: "three months" (verified)',
        '[2] deadbeef: "a year" (NOT VERIFIED)',
    ]


def test_an_answer_that_cites_nothing_is_said_to(server: ScriptedServer) -> None:
    server.on(CHAT, streams(completed(1, "Three.", citations=[]), done(2)))

    result = asked(server, "ask", "How long?", "--document", ID)

    assert result.stdout == "Three.\n"
    assert "cites nothing" in result.stderr


def test_nothing_is_asked_of_files_that_cannot_be_read(
    server: ScriptedServer, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("")
    server.on(UPLOAD, says(202, FAILED))

    result = asked(server, "ask", "How long?", str(tmp_path / "a.txt"))

    assert result.exit_code == 1
    assert "a.txt: There is no text in it." in result.stderr
    assert not server.of(CHAT)


def test_without_files_all_that_may_be_answered_from_is(server: ScriptedServer) -> None:
    others = {**INDEXED, "id": "theirs", "owner_id": "bob"}
    shared = {**others, "id": "shared", "visibility": "shared"}
    server.on(PROFILE, says(200, {"id": "ann"}))
    listed = {"items": [INDEXED, others, shared], "next_cursor": None}
    server.on(f"GET {DOCUMENTS}", says(200, listed))
    server.on(CHAT, streams(completed(1, "Three."), done(2)))

    asked(server, "ask", "How long?")

    assert server.of(CHAT)[0][1]["document_ids"] == [ID, "shared"]


@pytest.mark.parametrize(("count", "told"), [(0, "no indexed document"), (1001, "more than 1000")])
def test_a_collection_that_cannot_be_asked_is_told(
    server: ScriptedServer, count: int, told: str
) -> None:
    server.on(PROFILE, says(200, {"id": "ann"}))
    server.on(f"GET {DOCUMENTS}", says(200, {"items": [INDEXED] * count, "next_cursor": None}))

    result = asked(server, "ask", "How long?", "--collection", "law")

    assert result.exit_code == 1
    assert told in result.stderr
    assert not server.of(CHAT)


def test_an_agent_of_ones_own_may_have_documents_itself(server: ScriptedServer) -> None:
    server.on(CHAT, streams(completed(1, "Three."), done(2)))

    asked(server, "ask", "How long?", "--agent", ID)

    assert server.of(CHAT)[0][1] == {"message": "How long?", "agent_id": ID}
