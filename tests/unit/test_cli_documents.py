"""`polyagent documents` against a scripted server on a real socket."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from polyagent.adapters.cli.main import cli
from tests.unit.chat_server import ScriptedServer, says, scripted_server
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
}
INDEXED = {**DOCUMENT, "status": "indexed", "progress": 1, "chunk_count": 3}
ERROR = {"code": "no_text", "detail": "There is no text in it."}
FAILED = {**DOCUMENT, "status": "failed", "error": ERROR}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as made:
        yield made


def asked(server: ScriptedServer, *words: str) -> Result:
    words = ("documents", *words, "--url", server.url, "--token", "t")
    return CliRunner().invoke(cli, words, obj=FakeProduct, env={"POLYAGENT_CONFIG": ""})


def test_documents_are_listed_in_columns(server: ScriptedServer) -> None:
    server.on(f"GET {DOCUMENTS}", says(200, {"items": [INDEXED], "next_cursor": None}))

    done = asked(server, "list", "--status", "indexed")

    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[1].split() == [ID, "a.txt", "indexed", "100%", "3"]


def test_a_file_is_uploaded_and_waited_for(server: ScriptedServer, tmp_path: Path) -> None:
    server.on(f"POST {DOCUMENTS}/upload", says(202, DOCUMENT))
    server.on(f"GET {DOCUMENTS}/{ID}", says(200, INDEXED))
    (tmp_path / "a.txt").write_text("hello")

    done = asked(server, "add", str(tmp_path / "a.txt"), "--collection", "tales")

    assert done.exit_code == 0, done.output
    assert "indexed" in done.output


def test_a_file_that_cannot_be_read_is_said(server: ScriptedServer, tmp_path: Path) -> None:
    server.on(f"POST {DOCUMENTS}/upload", says(202, FAILED))
    (tmp_path / "a.txt").write_text("")

    done = asked(server, "add", str(tmp_path / "a.txt"))

    assert done.exit_code == 1
    assert "a.txt: There is no text in it." in done.output
