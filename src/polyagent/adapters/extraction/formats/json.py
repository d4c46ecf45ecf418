"""JSON, written out line by line; what is none is plain text."""

import json

from polyagent.adapters.extraction.formats.decoding import decode
from polyagent.adapters.extraction.formats.lines import blocks_of
from polyagent.adapters.extraction.formats.writer import TextWriter
from polyagent.domain.text import clean


def read(content: bytes, writer: TextWriter) -> None:
    text = decode(content)
    try:
        text = clean(json.dumps(json.loads(text), ensure_ascii=False, indent=1))
    except (ValueError, RecursionError):
        writer.whole(text, [*blocks_of(text)])
    else:
        writer.code(text)
