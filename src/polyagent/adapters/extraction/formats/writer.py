"""The text of a document as it is put together."""

from collections.abc import Sequence
from typing import Literal

from polyagent.adapters.extraction.requests import MAX_CHARACTERS, MAX_PAGES
from polyagent.domain.documents.document import Block, Extracted
from polyagent.domain.errors import DocumentTooComplex
from polyagent.domain.text import clean

BETWEEN = "\n\n"
CELL = " | "


class TextWriter:
    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._pages: list[int] = []

    def page(self) -> None:
        """Begin a page."""
        if len(self._pages) >= MAX_PAGES:
            raise DocumentTooComplex(f"It has more than {MAX_PAGES} pages.")
        self._pages.append(self._length)

    def heading(self, text: str, level: int) -> None:
        self._block("heading", " ".join(text.split()), level)

    def paragraph(self, text: str) -> None:
        self._block("paragraph", text.strip(), 0)

    def code(self, text: str) -> None:
        self._block("code", text.strip("\n"), 0)

    def table(self, rows: Sequence[str]) -> None:
        self._block("table", "\n".join(row for row in rows if row.strip(" |")), 0)

    def whole(self, text: str, blocks: Sequence[Block]) -> None:
        """Take a text as it stands, with the blocks that were found in it; it is all that there is."""
        self._require_room(len(text))
        self._parts, self._blocks = [text], [*blocks]

    def _block(
        self, kind: Literal["heading", "paragraph", "table", "code"], text: str, level: int
    ) -> None:
        fit = clean(text)
        if not fit.strip():
            return
        self._require_room(self._length + len(fit))
        end = self._length + len(fit)
        self._blocks.append(Block(kind=kind, start=self._length, end=end, level=level))
        self._parts += (fit, BETWEEN)
        self._length = end + len(BETWEEN)

    def _require_room(self, characters: int) -> None:
        if characters > MAX_CHARACTERS:
            raise DocumentTooComplex(f"Its text has more than {MAX_CHARACTERS} characters.")

    def extracted(self) -> Extracted:
        return Extracted(text="".join(self._parts), pages=self._pages, blocks=self._blocks)


def row_of(cells: Sequence[str]) -> str:
    """Return a row of a table as a line; empty cells at its end are left out."""
    flat = [" ".join(cell.split()) for cell in cells]
    while flat and not flat[-1]:
        flat.pop()
    return CELL.join(flat)
