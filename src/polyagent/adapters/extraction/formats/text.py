"""Plain text: paragraphs are between empty lines."""

from polyagent.adapters.extraction.formats.decoding import decode
from polyagent.adapters.extraction.formats.lines import blocks_of
from polyagent.adapters.extraction.formats.writer import TextWriter


def read(content: bytes, writer: TextWriter) -> None:
    text = decode(content)
    writer.whole(text, [*blocks_of(text)])
