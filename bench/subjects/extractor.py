"""The libraries that read files, with nothing around: `python -m bench.subjects.extractor DIRECTORY`.

Prints as JSON how long each format took, in seconds, and the most memory of it all, in bytes.
"""

import csv
import email
import io
import json
import resource
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from email import policy
from pathlib import Path
from xml.etree import ElementTree

from pypdfium2 import PdfDocument
from python_calamine import CalamineWorkbook
from selectolax.lexbor import LexborHTMLParser


def _pdf(content: bytes) -> int:
    document = PdfDocument(content)
    length = 0
    for page in document:
        text = page.get_textpage()
        length += len(text.get_text_bounded())
        text.close()
        page.close()
    document.close()
    return length


def _office(content: bytes) -> int:
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        parts = [name for name in package.namelist() if name.endswith(".xml")]
        trees = (ElementTree.fromstring(package.read(name)) for name in parts)  # noqa: S314  # ours
        return sum(len("".join(tree.itertext())) for tree in trees)


def _xlsx(content: bytes) -> int:
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    return sum(len(book.get_sheet_by_name(name).to_python()) for name in book.sheet_names)


def _html(content: bytes) -> int:
    body = LexborHTMLParser(content).body
    return 0 if body is None else len(body.text())


def _mail(content: bytes) -> int:
    body = email.message_from_bytes(content, policy=policy.default).get_body()
    return 0 if body is None else len(body.get_content())


READERS: Mapping[str, Callable[[bytes], int]] = {
    "pdf": _pdf,
    "docx": _office,
    "pptx": _office,
    "xlsx": _xlsx,
    "html": _html,
    "md": lambda content: len(content.decode()),
    "txt": lambda content: len(content.decode()),
    "csv": lambda content: sum(map(len, csv.reader(io.StringIO(content.decode())))),
    "json": lambda content: len(json.loads(content)),
    "eml": _mail,
}


def main() -> None:
    took: Counter[str] = Counter()
    for file in sorted(Path(sys.argv[1]).iterdir()):
        kind, content = file.suffix[1:], file.read_bytes()
        began = time.perf_counter()
        if not READERS[kind](content):
            raise RuntimeError(f"{file.name}: nothing in it")
        took[kind] += time.perf_counter() - began  # type: ignore[assignment]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sys.stdout.write(json.dumps({"took_s": took, "peak_bytes": peak}))


if __name__ == "__main__":
    main()
