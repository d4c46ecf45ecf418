"""What a file is, by its bytes. Where those are any text, its name says which kind of text."""

from collections.abc import Mapping

from polyagent.domain.errors import DocumentTypeUnsupported

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV = "text/csv"
MARKDOWN = "text/markdown"
HTML = "text/html"
TEXT = "text/plain"
JSON = "application/json"
MAIL = "message/rfc822"

OFFICE: Mapping[str, str] = {".docx": DOCX, ".pptx": PPTX, ".xlsx": XLSX}
TEXTS: Mapping[str, str] = {
    ".csv": CSV,
    ".tsv": CSV,
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".txt": TEXT,
    ".html": HTML,
    ".htm": HTML,
    ".xhtml": HTML,
    ".json": JSON,
    ".eml": MAIL,
}
FORMATS = "pdf, docx, pptx, xlsx, csv, md, html, txt, json, eml"

HEAD = 4096
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_MARKUP = (b"<!doctype html", b"<html")
# the names of parts stand as they are in a zip, and those of streams in UTF-16 in an OLE container
_PARTS = {b"word/document.xml": DOCX, b"ppt/presentation.xml": PPTX, b"xl/workbook.": XLSX}
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_LONGEST = 64
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\x1b")) + b"\x7f"
_CONTROLLED = 0.02


class Sniffer:
    """Looks at a file as it comes by."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self._office: str | None = None
        self._encrypted = False

    def feed(self, chunk: bytes) -> None:
        if len(self._head) < HEAD:
            self._head += chunk[: HEAD - len(self._head)]
        seen = self._tail + chunk
        if self._office is None and self._head.startswith(b"PK"):
            self._office = next((kind for part, kind in _PARTS.items() if part in seen), None)
        if self._head.startswith(b"\xd0\xcf\x11\xe0"):
            self._encrypted = self._encrypted or _ENCRYPTED in seen
        self._tail = seen[-_LONGEST:]

    def content_type(self, filename: str) -> str:
        """Raises `DocumentTypeUnsupported`."""
        dot = filename.rfind(".")
        extension = filename[dot:].lower() if dot >= 0 else ""
        found = self._binary(extension) or self._text(extension)
        if found is None:
            raise DocumentTypeUnsupported(f"By its content the file is none of {FORMATS}.")
        return found

    def _binary(self, extension: str) -> str | None:
        if b"%PDF-" in self._head[:1024]:
            return PDF
        if self._encrypted:
            return OFFICE.get(extension)
        return self._office

    def _text(self, extension: str) -> str | None:
        if not is_text(self._head):
            return None
        start = self._head.lstrip(b"\xef\xbb\xbf \t\r\n")[:100].lower()
        if start.startswith(_MARKUP):
            return HTML
        return TEXTS.get(extension, TEXT)


def is_text(head: bytes) -> bool:
    """Say whether a file that begins so is text, in whatever encoding."""
    if head.startswith(_BOMS) or looks_utf16(head):
        return True
    if head.startswith(
        (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"\x7fELF", b"\xd0\xcf\x11\xe0")
    ):
        return False
    body = head.rstrip(b"\x00")  # some pad with it
    return len(body) - len(body.translate(None, _CONTROLS)) <= len(body) * _CONTROLLED


def looks_utf16(head: bytes) -> str:
    """Return the UTF-16 that a file without a mark is most likely in, "" for none of them."""
    for encoding, letters, zeros in (
        ("utf-16-le", head[::2], head[1::2]),
        ("utf-16-be", head[1::2], head[::2]),
    ):
        seen = len(letters.translate(None, _CONTROLS))
        if zeros.count(0) > len(zeros) * 0.4 and seen > len(letters) * 0.95:
            return encoding
    return ""
