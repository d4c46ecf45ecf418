"""Documents and passages as lines of text."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from polyagent.adapters.cli.chat.transcript import place, safe
from polyagent.adapters.cli.columns import in_columns

COLUMNS = ("id", "filename", "status", "progress", "chunks", "collection", "error")
SNIPPET = 300


def lines(documents: Iterable[dict[str, Any]]) -> Iterator[str]:
    return in_columns([COLUMNS, *map(_row, documents)])


def _row(document: dict[str, Any]) -> tuple[str, ...]:
    error = document["error"]["code"] if document["error"] else ""
    progress, chunks = f"{document.get('progress', 0):.0%}", str(document.get("chunk_count", 0))
    told = (document.get("id", ""), safe(document["filename"]), document["status"])
    return *told, progress, chunks, document.get("collection") or "", error


def failures(documents: Iterable[dict[str, Any]]) -> Sequence[str]:
    """Return why documents are not indexed, those that are left out."""
    return [
        f"{safe(each['filename'])}: {each['error']['detail']}"
        for each in documents
        if each["status"] != "indexed"
    ]


def passages(found: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield two lines each: where it stands, and how it begins."""
    for number, passage in enumerate(found, start=1):
        yield f"{number}. {place(passage)}  ({passage['score']:.3g})"
        text = " ".join(safe(passage["text"]).split())
        yield f"   {text if len(text) <= SNIPPET else f'{text[:SNIPPET]}...'}"
