"""PDF, by PDFium. https://pypdfium2.readthedocs.io/"""

import re
from contextlib import closing

from pypdfium2 import PdfDocument, PdfiumError

from polyagent.adapters.extraction.formats.writer import TextWriter
from polyagent.adapters.extraction.requests import MAX_PAGES
from polyagent.domain.errors import DocumentEncrypted, DocumentTooComplex, DocumentUnreadable
from polyagent.domain.errors import DocumentWithoutText as WithoutText

_HYPHEN = re.compile("[\x02\ufffe]\r?\n?")  # PDFium's marks of a word that goes on in the next line
_PARAGRAPHS = re.compile(r"\n[ \t]*\n+")


def read(content: bytes, writer: TextWriter) -> None:
    with closing(_opened(content)) as document:
        count = len(document)
        if count > MAX_PAGES:
            raise DocumentTooComplex(f"It has {count} pages; {MAX_PAGES} are read at most.")
        said = [_page(document, number, writer) for number in range(count)]
    if not any(said):
        raise WithoutText(f"Its pages ({count}) are pictures: there is no text in them.")


def _opened(content: bytes) -> PdfDocument:
    try:
        return PdfDocument(content)
    except PdfiumError as error:
        if "password" in str(error).lower():
            raise DocumentEncrypted("It is encrypted: upload it without a password.") from error
        raise DocumentUnreadable("It is damaged: no PDF can be read out of it.") from error


def _page(document: PdfDocument, number: int, writer: TextWriter) -> bool:
    """Write a page, and say whether there is text on it; one that cannot be read is empty."""
    writer.page()
    try:
        with closing(document[number]) as page, closing(page.get_textpage()) as found:
            text = found.get_text_bounded()
    except PdfiumError:
        return False
    text = _HYPHEN.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    for paragraph in _PARAGRAPHS.split(text):
        writer.paragraph(paragraph)
    return bool(text.strip())
