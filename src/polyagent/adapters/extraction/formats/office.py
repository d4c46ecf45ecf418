"""What word processing and presentation have in common: paragraphs of runs of text, and tables of them.

https://ecma-international.org/publications-and-standards/standards/ecma-376/
"""

from collections.abc import Callable, Mapping

from polyagent.adapters.extraction.formats.package import Package
from polyagent.adapters.extraction.formats.writer import TextWriter, row_of

# a copy of what stands beside it, what was moved away, and the codes of fields
HIDDEN = frozenset({"Fallback", "moveFrom", "instrText", "delText"})
BREAKS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}

Level = Callable[[str, Mapping[str, str]], int | None]


class _Table:
    def __init__(self) -> None:
        self.rows: list[str] = []
        self.cells: list[str] = []
        self.cell: list[str] = []


class _Paragraph:
    def __init__(self, level: int) -> None:
        self.text: list[str] = []
        self.level = level


class OfficeText:
    """Writes the paragraphs and tables of a part. `level` says of an element that its paragraph, or those of its shape, are headings."""

    def __init__(self, writer: TextWriter, level: Level) -> None:
        self._writer = writer
        self._level = level
        self._tables: list[_Table] = []
        self._paragraphs: list[_Paragraph] = []
        self._hidden = 0
        self._in_text = False
        self._shape_level = 0

    def write(self, package: Package, part: str) -> None:
        package.parse(part, self._start, self._end, self._data)

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._hidden or tag in HIDDEN:
            self._hidden += 1
        elif tag == "p":
            self._paragraphs.append(_Paragraph(self._shape_level))
        elif tag == "t":
            self._in_text = True
        elif tag in BREAKS and self._paragraphs:
            self._paragraphs[-1].text.append(BREAKS[tag])
        elif tag == "tbl":
            self._tables.append(_Table())
        self._note_level(tag, attributes)

    def _note_level(self, tag: str, attributes: Mapping[str, str]) -> None:
        if not self._hidden and (level := self._level(tag, attributes)) is not None:
            if self._paragraphs:
                self._paragraphs[-1].level = level
            else:
                self._shape_level = level

    def _end(self, tag: str) -> None:
        if self._hidden:
            self._hidden -= 1
        elif tag == "t":
            self._in_text = False
        elif tag == "p" and self._paragraphs:
            self._end_paragraph(self._paragraphs.pop())
        elif tag in ("tc", "tr", "tbl") and self._tables:
            self._end_of_table(tag, self._tables[-1])
        elif tag == "sp":
            self._shape_level = 0

    def _end_paragraph(self, paragraph: _Paragraph) -> None:
        text = "".join(paragraph.text)
        if self._tables:
            self._tables[-1].cell.append(text)
        elif level := paragraph.level:
            self._writer.heading(text, level)
        else:
            self._writer.paragraph(text)

    def _end_of_table(self, tag: str, table: _Table) -> None:
        if tag == "tc":
            table.cells.append("\n".join(table.cell))
            table.cell = []
        elif tag == "tr":
            table.rows.append(row_of(table.cells))
            table.cells = []
        else:
            self._tables.pop()
            if self._tables:
                self._tables[-1].cell.append(" ; ".join(table.rows))
            else:
                self._writer.table(table.rows)

    def _data(self, text: str) -> None:
        if self._in_text and self._paragraphs and not self._hidden:
            self._paragraphs[-1].text.append(text)
