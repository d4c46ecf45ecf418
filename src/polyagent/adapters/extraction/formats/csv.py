"""CSV as spreadsheets write it: any of four separators, any encoding."""

import csv
from collections import Counter

from polyagent.adapters.extraction.formats.decoding import decode
from polyagent.adapters.extraction.formats.writer import TextWriter, row_of

SEPARATORS = ",;\t|"
SAMPLE = 64 * 1024
FIELD = 2**31 - 1


def read(content: bytes, writer: TextWriter) -> None:
    text = decode(content)
    separator, text = _separator(text)
    csv.field_size_limit(FIELD)
    rows = csv.reader(text.splitlines(keepends=True), delimiter=separator)
    writer.table([row_of(row) for row in rows])


def _separator(text: str) -> tuple[str, str]:
    """Return what is between fields: what Excel's first line `sep=;` says, else the most frequent in the first line."""
    first, _, rest = text.partition("\n")
    if first.lower().startswith("sep=") and len(first.strip()) == 5:
        return first[4], rest
    counted = Counter(c for c in first[:SAMPLE] if c in SEPARATORS)
    return max(SEPARATORS, key=lambda c: (counted[c], -SEPARATORS.index(c))), text
