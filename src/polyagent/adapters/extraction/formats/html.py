"""HTML: what is for reading, without navigation, scripts and forms."""

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

from polyagent.adapters.extraction.formats.decoding import decode
from polyagent.adapters.extraction.formats.writer import TextWriter, row_of

DROPPED = frozenset(
    [
        "script",
        "style",
        "template",
        "noscript",
        "nav",
        "footer",
        "aside",
        "form",
        "button",
        "select",
        "svg",
        "canvas",
        "iframe",
        "object",
        "head",
    ]
)
INLINE = frozenset(
    [
        "a",
        "abbr",
        "b",
        "bdi",
        "bdo",
        "cite",
        "code",
        "data",
        "del",
        "dfn",
        "em",
        "font",
        "i",
        "ins",
        "kbd",
        "label",
        "mark",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "time",
        "tt",
        "u",
        "var",
        "wbr",
        "img",
    ]
)
HEADINGS = {f"h{level}": level for level in range(1, 7)}
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset=[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_SPACE = re.compile(r"\s+")


def read(content: bytes, writer: TextWriter, charset: str | None = None) -> None:
    """Read a page; `charset` is what it came with, which counts before what it says itself."""
    told = _CHARSET.search(content[:4096])
    tree = LexborHTMLParser(decode(content, charset or (told[1].decode() if told else None)))
    title = tree.css_first("title")
    if title is not None:
        writer.heading(title.text(), 1)
    if tree.body is not None:
        _Walk(writer).walk(tree.body)


class _Walk:
    """Goes through the nodes without recursion: a page may be nested as deep as it likes."""

    def __init__(self, writer: TextWriter) -> None:
        self._writer = writer
        self._text: list[str] = []

    def walk(self, root: LexborNode) -> None:
        node: LexborNode | None = root
        while node is not None:
            inner = self._enter(node)
            if inner is not None:
                node = inner
                continue
            while node is not None and node.next is None:
                node = node.parent if node.mem_id != root.mem_id else None
                if node is not None:
                    self._leave(node)
                if node is not None and node.mem_id == root.mem_id:
                    node = None
            node = node.next if node is not None else None
        self._flush()

    def _enter(self, node: LexborNode) -> LexborNode | None:
        """Take what a node says itself; return its first child, if its children are to be visited."""
        tag = node.tag or ""
        if tag == "-text":
            self._text.append(node.text_content or "")
        if tag == "br":
            self._text.append("\n")
        if tag in DROPPED or tag.startswith("-") or tag == "br":
            return None
        if tag in HEADINGS or tag in ("pre", "table"):
            self._flush()
            self._whole(node, tag)
            return None
        if tag not in INLINE:
            self._flush()
        return node.child

    def _leave(self, node: LexborNode) -> None:
        if (node.tag or "") not in INLINE:
            self._flush()

    def _whole(self, node: LexborNode, tag: str) -> None:
        if tag in HEADINGS:
            self._writer.heading(node.text(), HEADINGS[tag])
        elif tag == "pre":
            self._writer.code(node.text())
        else:
            rows = (
                [cell.text(separator=" ") for cell in _own(node, row, "th, td")]
                for row in _own(node, node, "tr")
            )
            self._writer.table([row_of(row) for row in rows])

    def _flush(self) -> None:
        lines = "".join(self._text).split("\n") if self._text else []
        self._text.clear()
        self._writer.paragraph(_SPACE.sub(" ", " ".join(lines)))


def _own(table: LexborNode, within: LexborNode, selector: str) -> Iterator[LexborNode]:
    """Return the rows or cells of a table that are not those of one in it."""
    for node in within.css(selector):
        holder = node.parent
        while holder is not None and holder.tag != "table":
            holder = holder.parent
        if holder is not None and holder.mem_id == table.mem_id:
            yield node
