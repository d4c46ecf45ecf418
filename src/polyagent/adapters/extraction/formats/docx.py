"""Word: the body, then footnotes, endnotes, headers and footers. Tracked changes count as accepted."""

import re
from collections.abc import Mapping

from polyagent.adapters.extraction.formats.office import OfficeText
from polyagent.adapters.extraction.formats.package import Package
from polyagent.adapters.extraction.formats.writer import TextWriter
from polyagent.domain.errors import DocumentUnreadable

BODY = "word/document.xml"
STYLES = "word/styles.xml"
_ALSO = re.compile(r"word/(footnotes|endnotes|header\d*|footer\d*)\.xml")
_HEADING = re.compile(r"heading ?([1-9])|(title)", re.IGNORECASE)


def read(content: bytes, writer: TextWriter) -> None:
    package = Package(content)
    names = package.names()
    if BODY not in names:
        raise DocumentUnreadable("It is damaged: it has no body.")
    styles = _Styles()
    if STYLES in names:
        package.parse(STYLES, styles.start, lambda _: None, lambda _: None)
    for part in (BODY, *sorted(name for name in names if _ALSO.fullmatch(name))):
        OfficeText(writer, styles.level).write(package, part)


class _Styles:
    """Which styles are those of headings, by their ids."""

    def __init__(self) -> None:
        self._levels: dict[str, int] = {}
        self._style = ""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "style":
            self._style = attributes.get("styleId", "")
        elif tag == "name" and (level := _level_named(attributes.get("val", ""))):
            self._levels[self._style] = level
        elif tag == "outlineLvl" and attributes.get("val", "").isdecimal():
            self._levels[self._style] = int(attributes["val"]) + 1

    def level(self, tag: str, attributes: Mapping[str, str]) -> int | None:
        value = attributes.get("val", "")
        if tag == "outlineLvl" and value.isdecimal() and int(value) < 9:
            return int(value) + 1
        if tag != "pStyle":
            return None
        return self._levels.get(value) or _level_named(value)


def _level_named(name: str) -> int | None:
    found = _HEADING.fullmatch(name)
    return None if found is None else int(found[1] or 1)
