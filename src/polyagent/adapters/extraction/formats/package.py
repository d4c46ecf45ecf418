"""Zip files with the parts of an office document, opened with care, and XML out of them."""

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping
from xml.parsers import expat

from polyagent.domain.errors import DocumentEncrypted, DocumentTooComplex, DocumentUnreadable

MAX_ENTRIES = 2000
MAX_BYTES = 200 * 1024 * 1024
MAX_RATIO = 100
SMALL = 1024 * 1024
READ = 64 * 1024
OLE = b"\xd0\xcf\x11\xe0"

DAMAGED = "It is damaged: what should be a zip of its parts cannot be read."

Start = Callable[[str, Mapping[str, str]], None]
End = Callable[[str], None]
Data = Callable[[str], None]


class Package:
    """What its parts unpack to is counted as it is read: the sizes that a zip tells may lie."""

    def __init__(self, content: bytes) -> None:
        if content.startswith(OLE):
            raise DocumentEncrypted("It is encrypted: upload it without a password.")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
            raise DocumentUnreadable(DAMAGED) from error
        self._left = MAX_BYTES
        self._require_moderate()

    def _require_moderate(self) -> None:
        parts = self._zip.infolist()
        if len(parts) > MAX_ENTRIES:
            raise DocumentTooComplex(f"It has more than {MAX_ENTRIES} parts.")
        if any(part.flag_bits & 1 for part in parts):
            raise DocumentEncrypted("It is encrypted: upload it without a password.")
        packed = sum(part.compress_size for part in parts)
        unpacked = sum(part.file_size for part in parts)
        if unpacked > MAX_BYTES or unpacked > SMALL + packed * MAX_RATIO:
            raise DocumentTooComplex("It unpacks to far more than its size: it looks like a bomb.")

    def names(self) -> list[str]:
        return self._zip.namelist()

    def parse(self, name: str, start: Start, end: End, data: Data) -> None:
        """Read a part as XML; the names of elements and attributes come without their namespaces.

        Raises `DocumentUnreadable`, also for a document type: office documents have none.
        """
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = lambda tag, found: start(
            _local(tag), {_local(key): value for key, value in found.items()}
        )
        parser.EndElementHandler = lambda tag: end(_local(tag))
        parser.CharacterDataHandler = data
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.buffer_text = True
        try:
            self._feed(name, parser)
        except (expat.ExpatError, zipfile.BadZipFile, zlib.error, EOFError, KeyError) as error:
            raise DocumentUnreadable(f"It is damaged: its part {name} cannot be read.") from error
        except NotImplementedError as error:
            raise DocumentUnreadable(DAMAGED) from error

    def _feed(self, name: str, parser: expat.XMLParserType) -> None:
        with self._zip.open(name) as part:
            while chunk := part.read(READ):
                self._left -= len(chunk)
                if self._left < 0:
                    raise DocumentTooComplex("It unpacks to more than may be read.")
                parser.Parse(chunk, False)
        parser.Parse(b"", True)


def _refuse_doctype(*_: object) -> None:
    raise DocumentUnreadable("Its XML declares a document type, which no office document does.")


def _local(name: str) -> str:
    return name.rpartition(" ")[2]
