"""The child that reads documents: what it gives, and what bombs do to it."""

import io
import os
import signal
import subprocess
import sys
import zipfile
import zlib
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from polyagent.adapters.extraction.extractor import ChildExtractor
from polyagent.domain.documents.chunking import Piece, Sizes
from polyagent.domain.documents.document import Document
from polyagent.domain.documents.filetype import DOCX, HTML, PDF, TEXT, XLSX
from polyagent.domain.errors import (
    DocumentTooComplex,
    DocumentUnreadable,
    DocumentWithoutText,
    TaskFailed,
)
from polyagent.domain.ids import new_id
from tests.e2e.processes import children_of, eventually
from tests.files import pdf, workbook, zipped

MEGABYTES = 1_000_000
CPU_S = 3
FLATE = b"/Filter/FlateDecode"


def _document(content_type: str, size_bytes: int) -> Document:
    return Document(
        id=new_id(),
        workspace_id=new_id(),
        owner_id=new_id(),
        filename="file",
        content_type=content_type,
        size_bytes=size_bytes,
        sha256="",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


async def read(content_type: str, content: bytes) -> list[Piece]:
    with closing(ChildExtractor(Sizes(), cpu_s=CPU_S)) as extract:
        return await read_with(extract, content_type, content)


async def read_with(extract: ChildExtractor, content_type: str, content: bytes) -> list[Piece]:
    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(content), 65_536):
            yield content[at : at + 65_536]

    return [piece async for piece in extract(_document(content_type, len(content)), chunks())]


async def test_a_file_comes_back_in_pieces() -> None:
    text = " ".join(f"Sentence {n}." for n in range(20_000))

    pieces = await read(TEXT, text.encode())

    assert len(pieces) > 100
    assert all(text[piece.start : piece.end] == piece.text for piece in pieces)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_files_are_read_though_what_forks_the_children_was_killed() -> None:
    before = children_of(os.getpid()).keys()
    with closing(ChildExtractor(Sizes())) as extract:
        (one,) = await read_with(extract, TEXT, b"one")
        (nursery,) = children_of(os.getpid()).keys() - before
        os.kill(nursery, signal.SIGKILL)
        eventually(lambda: _state(nursery) == "Z", "it is dead")
        (two,) = await read_with(extract, TEXT, b"two")

    assert (one.text, two.text) == ("one", "two")
    assert children_of(os.getpid()).keys() == before


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_what_asks_all_processes_to_end_ends_no_reader() -> None:
    """As service managers do: the server itself finishes first."""
    pieces = await _interrupted(signal.SIGTERM)

    assert [piece.text for piece in pieces] == ["first second"]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_a_reader_that_somebody_ended_is_not_the_documents_fault() -> None:
    with pytest.raises(TaskFailed):
        await _interrupted(signal.SIGKILL)


async def _interrupted(number: signal.Signals) -> list[Piece]:
    """Read a file, while what reads it gets a signal."""
    before = children_of(os.getpid())

    async def chunks() -> AsyncIterator[bytes]:
        yield b"first "
        (nursery,) = set(children_of(os.getpid())) - set(before)
        (reader,) = children_of(nursery)
        for pid in (reader, nursery) if number == signal.SIGTERM else (nursery,):
            os.kill(pid, number)
        if number == signal.SIGKILL:
            eventually(lambda: not Path(f"/proc/{reader}").exists(), "the reader ends")
        yield b"second"

    with closing(ChildExtractor(Sizes(), cpu_s=CPU_S)) as extract:
        return [piece async for piece in extract(_document(TEXT, 12), chunks())]


async def test_a_refusal_is_raised_as_what_it_is() -> None:
    with pytest.raises(DocumentWithoutText):
        await read(PDF, pdf(""))


def packed(megabytes: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(MEGABYTES)) for _ in range(megabytes)) + packer.flush()


BOMBS = {
    "a page of a gigabyte": lambda: (PDF, pdf(filter_=FLATE, streams=[packed(1000)])),
    "text without end": lambda: (
        PDF,
        pdf(
            filter_=FLATE, streams=[zlib.compress(b"BT /F 9 Tf " + b"(x) Tj " * 8_000_000 + b"ET")]
        ),
    ),
    "a hundred thousand pages": lambda: (PDF, pdf(*["x"] * 100_000)),
    "a document that unpacks to a gigabyte": lambda: (
        DOCX,
        zipped({"word/document.xml": b"<a>" * (100 * MEGABYTES)}),
    ),
    "a sheet whose only cell is its last": lambda: (XLSX, _far_cell()),
    "a page that is nested without end": lambda: (HTML, b"<div>" * 1_000_000 + b"x"),
}


def _far_cell() -> bytes:
    content = workbook({"S": [["x"]]})
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"].replace(
        b"<row><c ", b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576" '
    )
    return zipped({**parts, "xl/worksheets/sheet1.xml": sheet})


@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_bomb_harms_nobody(bomb: str) -> None:
    with pytest.raises(DocumentUnreadable) as raised:
        await read(*BOMBS[bomb]())

    assert isinstance(raised.value, DocumentTooComplex | DocumentWithoutText)
    assert raised.value.detail


OWNER = """
import asyncio, sys
from datetime import UTC, datetime
from polyagent.adapters.extraction.extractor import ChildExtractor
from polyagent.domain.documents.chunking import Sizes
from polyagent.domain.documents.document import Document
from polyagent.domain.ids import new_id

async def content():
    yield BOMB

async def main():
    document = Document(id=new_id(), workspace_id=new_id(), owner_id=new_id(), filename="a.html",
        content_type="text/html", size_bytes=len(BOMB), sha256="",
        created_at=datetime(2026, 1, 1, tzinfo=UTC))
    async for _ in ChildExtractor(Sizes(), cpu_s=100000)(document, content()):
        pass

BOMB = b"<div>" * 1_000_000 + b"x"
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_child_ends_with_whoever_started_it() -> None:
    """It is busy in a library that never lets go of the interpreter."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER])
    try:
        eventually(lambda: any(map(_has_computed, _readers(owner.pid))), "a child computes")
        (child,) = _readers(owner.pid)
    finally:
        owner.kill()
        owner.wait()

    eventually(lambda: not Path(f"/proc/{child}").exists(), "the child ends")


def _readers(pid: int) -> list[int]:
    return [reader for nursery in children_of(pid) for reader in children_of(nursery)]


def _has_computed(pid: int) -> bool:
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11]
    return int(ticks) > 2 * os.sysconf("SC_CLK_TCK")


CONFINED = """
import os, socket
from polyagent.adapters.extraction import child

child._confine()
for attempt in (lambda: open("/etc/hostname"), socket.socket, os.pipe):
    try:
        print(attempt())
    except OSError as error:
        print(error.errno == 24)
"""


def test_a_child_opens_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CONFINED], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["True"] * 3
