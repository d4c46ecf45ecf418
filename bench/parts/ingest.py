"""What it costs to take documents in, beside the libraries that read them alone, on the same files."""

import asyncio
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec

from bench import machine
from bench.corpus import PAGES, Corpus, Paper
from bench.stage import Stage
from bench.table import Cell, say, show
from polyagent.adapters.extraction.children import MODULE
from polyagent.adapters.extraction.extractor import ChildExtractor
from polyagent.domain.account import DEFAULT_WORKSPACE
from polyagent.domain.documents.chunking import Sizes
from polyagent.domain.documents.document import Document
from polyagent.domain.documents.filetype import Sniffer
from polyagent.domain.ids import new_id

WANTED, QUICK = 10_000, 400
MADE = datetime(2026, 1, 1, tzinfo=UTC)
POLL_S = 0.2
SAMPLE_S = 0.02
MEGABYTE = 2**20
COLUMNS = ("format", "files", "bare pages/s", "read and cut pages/s", "overhead %")
WHOLE = ("pages", "pages/s", "CPU ms a page", "peak MB of the worker", "of a child")


class Bare(msgspec.Struct, frozen=True):
    took_s: dict[str, float]
    peak_bytes: int


def run(here: Stage) -> None:
    directory = here.directory / "corpus"
    directory.mkdir()
    papers = [*Corpus().papers(QUICK if here.quick else WANTED)]
    for paper in papers:
        (directory / paper.name).write_bytes(paper.content)
    with machine.on(here.other_cores):
        bare = _bare(directory)
        ours = asyncio.run(_extracted(papers))
    show("Documents read, one after the other", COLUMNS, [*_compared(papers, bare, ours)])
    say(
        f"\nThe libraries alone, all of them in one process: at most {bare.peak_bytes // MEGABYTE} MB."
    )
    show("Documents taken in, from the upload to the index", WHOLE, [_whole(here, papers)])


def _bare(directory: Path) -> Bare:
    words = [sys.executable, "-m", "bench.subjects.extractor", str(directory)]
    done = subprocess.run(words, capture_output=True, check=True)
    return msgspec.json.decode(done.stdout, type=Bare)


async def _extracted(papers: Sequence[Paper]) -> Counter[str]:
    """Return how long the product's own extractor takes for each format, in seconds."""
    took = Counter[str]()
    with closing(ChildExtractor(Sizes())) as extract:
        for n, paper in enumerate((papers[0], *papers)):
            began = time.perf_counter()
            async for _ in extract(_document(paper), _content(paper)):
                pass
            if n:  # the first one waits for the process that forks the others
                took[paper.kind] += time.perf_counter() - began  # type: ignore[assignment]
    return took


async def _content(paper: Paper) -> AsyncIterator[bytes]:
    yield paper.content


def _document(paper: Paper) -> Document:
    sniffer = Sniffer()
    sniffer.feed(paper.content)
    return Document(
        id=new_id(),
        workspace_id=DEFAULT_WORKSPACE,
        owner_id=new_id(),
        filename=paper.name,
        content_type=sniffer.content_type(paper.name),
        size_bytes=len(paper.content),
        sha256="",
        created_at=MADE,
    )


def _compared(papers: Sequence[Paper], bare: Bare, ours: Counter[str]) -> Iterator[Sequence[Cell]]:
    files = Counter(paper.kind for paper in papers)
    for kind, count in files.items():
        yield _row(kind, count, bare.took_s[kind], ours[kind])
    yield _row("all", files.total(), sum(bare.took_s.values()), ours.total())


def _row(kind: str, files: int, bare_s: float, ours_s: float) -> Sequence[Cell]:
    pages = files * PAGES
    return (kind, files, pages / bare_s, pages / ours_s, (ours_s / bare_s - 1) * 100)


def _whole(here: Stage, papers: Sequence[Paper]) -> Sequence[Cell]:
    with here.gateway() as server, here.worker() as worker, here.client(server) as client:
        peaks = Peaks(worker)
        with peaks.watched():
            began, used = time.perf_counter(), machine.cpu_s(worker)
            for paper in papers:
                files = {"file": (paper.name, paper.content)}
                client.post("/api/v1/documents/upload", files=files).raise_for_status()
            _until_indexed(client)
            took, cpu = time.perf_counter() - began, machine.cpu_s(worker) - used
    pages = len(papers) * PAGES
    mb = (peaks.worker // MEGABYTE, peaks.child // MEGABYTE)
    return (pages, pages / took, cpu * 1000 / pages, *mb)


def _until_indexed(client: httpx.Client) -> None:
    def some(status: str) -> bool:
        answer = client.get("/api/v1/documents", params={"status": status, "limit": 1})
        return bool(answer.raise_for_status().json()["items"])

    while some("uploaded") or some("processing"):
        time.sleep(POLL_S)
    if some("failed"):
        raise RuntimeError("a document failed")


class Peaks:
    """The most memory that a worker, and any of its children that read documents, ever had."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._ended = threading.Event()
        self.worker = self.child = 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        watch = threading.Thread(target=self._watch)
        watch.start()
        try:
            yield
        finally:
            self._ended.set()
            watch.join()

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLE_S):
            for pid in machine.family(self._pid):
                peak = machine.peak_bytes(pid)
                if MODULE in machine.command(pid):
                    self.child = max(self.child, peak)
                else:
                    self.worker = max(self.worker, peak)
