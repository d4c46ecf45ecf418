"""Documents of a running server, as its users see them, and what is left of them in its engines."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from polyagent.adapters.engines.endpoints import join
from polyagent.adapters.extraction.formats.reading import read
from polyagent.domain.documents.chunking import Sizes, cut
from polyagent.domain.documents.filetype import TEXT
from tests.api.forms import form
from tests.e2e.server import eventually

DOCUMENTS = "/api/v1/documents"
UPLOAD = f"{DOCUMENTS}/upload"
PATIENCE_S = 120
ENDS = ("indexed", "failed")


class Papers:
    """`at` is the gateway; the engines are those of `data_dir`."""

    def __init__(self, at: httpx.Client, data_dir: Path) -> None:
        self.http = at
        self.data_dir = data_dir

    def upload(self, name: str, content: bytes) -> httpx.Response:
        body, content_type = form(file=(name, content))
        return self.http.post(UPLOAD, content=body, headers={"Content-Type": content_type})

    def uploaded(self, name: str, content: bytes) -> dict[str, Any]:
        answer = self.upload(name, content)
        assert answer.status_code in (200, 202), answer.text
        return dict(answer.json())

    def get(self, document: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self.http.get(f"{DOCUMENTS}/{document['id']}").json())

    def all(self) -> list[dict[str, Any]]:
        return list(self.http.get(f"{DOCUMENTS}?limit=100").json()["items"])

    def delete(self, document: Mapping[str, Any]) -> httpx.Response:
        return self.http.delete(f"{DOCUMENTS}/{document['id']}")

    def content(self, document: Mapping[str, Any]) -> bytes:
        answer = self.http.get(f"{DOCUMENTS}/{document['id']}/content")
        assert answer.status_code == 200, answer.text
        return answer.content

    def settled(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Wait until it is indexed or has failed."""
        return dict(
            eventually(
                f"{document['filename']!r} has an end",
                lambda: now if (now := self.get(document)).get("status") in ENDS else None,
                PATIENCE_S,
            )
        )

    def half_indexed(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Wait until some of it is written; it is an error if it is all done by then."""
        now: dict[str, Any] = eventually(
            "some of it is written", lambda: self._at_least(0.1, document), PATIENCE_S
        )
        assert now["status"] == "processing", f"is it too small for this test? {now}"
        return now

    def _at_least(self, progress: float, document: Mapping[str, Any]) -> dict[str, Any] | None:
        now = self.get(document)
        return now if now["progress"] > progress or now["status"] in ENDS else None

    def chunks(self, document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        path, cursor = f"{DOCUMENTS}/{document['id']}/chunks?limit=100", ""
        while True:
            page = self.http.get(path + cursor).raise_for_status().json()
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            cursor = f"&cursor={page['next_cursor']}"

    def found(self, query: str) -> list[dict[str, Any]]:
        answer = self.http.post(f"{DOCUMENTS}/search", json={"query": query})
        return list(answer.raise_for_status().json()["items"])

    def blobs(self) -> set[str]:
        return {file.name for file in (self.data_dir / "documents").iterdir()}

    def rows(self, document: Mapping[str, Any]) -> int:
        """Count what there is of it in the tables that it is found by."""

        async def count() -> int:
            connection = await asyncpg.connect(join(self.data_dir).database_url)
            try:
                return int(await connection.fetchval(ROWS, document["id"]))
            finally:
                await connection.close()

        return asyncio.run(count())


ROWS = """
SELECT (SELECT count(*) FROM polyagent.chunks WHERE document_id = $1)
    + (SELECT count(*) FROM polyagent.indexes WHERE document_id = $1)
"""


def pieces_of(text: str) -> list[tuple[int, int, int, str]]:
    """Return what the chunks of a plain text have to be: number, start, end, text."""
    pieces = cut(read(TEXT, text.encode()), Sizes())
    return [(n, piece.start, piece.end, piece.text) for n, piece in enumerate(pieces)]
