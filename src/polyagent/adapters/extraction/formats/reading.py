"""Which reader a file gets."""

from collections.abc import Callable, Mapping
from importlib import import_module

from polyagent.adapters.extraction.formats.writer import TextWriter
from polyagent.domain.documents import filetype
from polyagent.domain.documents.document import Extracted
from polyagent.domain.errors import DocumentUnreadable, DocumentWithoutText

Reader = Callable[[bytes, TextWriter], None]

_MODULES: Mapping[str, str] = {
    filetype.PDF: "pdf",
    filetype.DOCX: "docx",
    filetype.PPTX: "pptx",
    filetype.XLSX: "xlsx",
    filetype.CSV: "csv",
    filetype.MARKDOWN: "markdown",
    filetype.HTML: "html",
    filetype.TEXT: "text",
    filetype.JSON: "json",
    filetype.MAIL: "mail",
}
READERS = [f"polyagent.adapters.extraction.formats.{name}" for name in _MODULES.values()]


def read(content_type: str, content: bytes) -> Extracted:
    """Return what a file says. Raises `DocumentUnreadable`."""
    if not content:
        raise DocumentWithoutText("The file is empty.")
    module = _MODULES.get(content_type)
    if module is None:
        raise DocumentUnreadable(f"There is no reader for {content_type}.")
    reader: Reader = import_module(f"polyagent.adapters.extraction.formats.{module}").read
    writer = TextWriter()
    reader(content, writer)
    extracted = writer.extracted()
    if not any(letter.isprintable() and not letter.isspace() for letter in extracted.text):
        raise DocumentWithoutText("There is no text in it.")
    return extracted
