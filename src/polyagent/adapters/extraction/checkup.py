"""Whether the child that reads documents can work on this machine."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import closing

from polyagent.adapters.extraction.extractor import ChildExtractor
from polyagent.domain.account import Actor
from polyagent.domain.documents.chunking import Sizes
from polyagent.domain.documents.document import Document
from polyagent.domain.documents.filetype import FORMATS, HTML
from polyagent.domain.errors import DocumentUnreadable
from polyagent.domain.finding import Finding, ok, problem
from polyagent.domain.ids import new_id
from polyagent.ports.clock import Clock
from polyagent.settings import Documents

PAGE = b"<html><body><h1>Lease</h1><p>Rent is due.</p></body></html>"


async def checkup(settings: Documents, clock: Clock) -> AsyncGenerator[Finding, None]:
    """Let a child read a page of HTML, within the limits that it always has."""
    sizes = Sizes(most=settings.chunk_tokens, overlap=settings.chunk_overlap_tokens)
    began_s = clock.monotonic()
    try:
        with closing(ChildExtractor(sizes)) as extract:
            pieces = [piece async for piece in extract(_document(clock), _content())]
    except (DocumentUnreadable, OSError) as error:
        advice = "look for limits of this user (ulimit -a) and of the container"
        yield problem("documents", f"what reads files cannot work here: {error}", advice)
        return
    took_ms = (clock.monotonic() - began_s) * 1000
    read = " ".join(piece.text for piece in pieces)
    if "Rent is due." in read:
        yield ok("documents", f"files are read by a child process: {FORMATS}; {took_ms:.0f} ms")
    else:
        yield problem("documents", "what reads files reads something else")


def _document(clock: Clock) -> Document:
    nobody = Actor.system()
    return Document(
        id=new_id(),
        workspace_id=nobody.workspace_id,
        owner_id=nobody.user_id,
        filename="doctor.html",
        content_type=HTML,
        size_bytes=len(PAGE),
        sha256="",
        created_at=clock.now(),
    )


async def _content() -> AsyncIterator[bytes]:
    yield PAGE
