"""Mail: who wrote what to whom, without its attachments, which are named.

What is told of encodings need not be true, or known to Python: https://docs.python.org/3/library/email.html
"""

from collections.abc import Iterator
from email import policy
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from importlib import import_module

from polyagent.adapters.extraction.formats.decoding import decode
from polyagent.adapters.extraction.formats.writer import TextWriter

HEADERS = ("From", "To", "Cc", "Date")
BOM = b"\xef\xbb\xbf"
MAX_DEPTH = 10


def read(content: bytes, writer: TextWriter) -> None:
    message = BytesParser(policy=policy.compat32).parsebytes(content.removeprefix(BOM).lstrip())
    _write(message, writer, 1)


def _write(message: Message, writer: TextWriter, level: int) -> None:
    writer.heading(_header(message, "Subject"), level)
    told = [f"{name}: {text}" for name in HEADERS if (text := _header(message, name))]
    writer.paragraph("\n".join(told))
    for part in _parts(message):
        if part.get_content_type() == "message/rfc822":
            inner = part.get_payload()
            if isinstance(inner, list) and isinstance(inner[0], Message) and level < MAX_DEPTH:
                _write(inner[0], writer, level + 1)
        elif (name := part.get_filename()) is not None or not _is_text(part):
            writer.paragraph(f"Attachment: {_plain(name or part.get_content_type())}")
        else:
            _body(part, writer)


def _parts(message: Message) -> Iterator[Message]:
    """Return the parts that are not made of others; of alternatives the plainest that is text."""
    if not message.is_multipart() or message.get_content_type() == "message/rfc822":
        yield message
        return
    inner = [part for part in message.get_payload() if isinstance(part, Message)]
    if message.get_content_type() == "multipart/alternative":
        plain = [part for part in inner if part.get_content_type() == "text/plain"]
        inner = (plain or inner[-1:])[:1]
    for part in inner:
        yield from _parts(part)


def _is_text(part: Message) -> bool:
    return part.get_content_maintype() == "text"


def _body(part: Message, writer: TextWriter) -> None:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return
    if part.get_content_type() == "text/html":
        html = import_module("polyagent.adapters.extraction.formats.html")
        html.read(content, writer, _charset(part))
        return
    for paragraph in decode(content, _charset(part)).split("\n\n"):
        writer.paragraph(paragraph)


def _charset(part: Message) -> str | None:
    charset = part.get_content_charset()
    return _known(charset) if charset else None


def _known(name: str) -> str:
    """Return Python's name: it does not know those that say in which direction Hebrew is written."""
    return name.lower().removesuffix("-i").removesuffix("-e")


def _header(message: Message, name: str) -> str:
    value = message.get(name)
    return "" if value is None else _plain(str(value))


def _plain(value: str) -> str:
    try:
        pieces = decode_header(value)
    except (ValueError, LookupError):
        return value
    texts = (
        piece if isinstance(piece, str) else decode(piece, _known(told or ""))
        for piece, told in pieces
    )
    return " ".join("".join(texts).split())
