"""PowerPoint: a page a slide, in the order in which they are shown, each with its notes."""

from collections.abc import Mapping
from posixpath import dirname, join, normpath

from polyagent.adapters.extraction.formats.office import OfficeText
from polyagent.adapters.extraction.formats.package import Package
from polyagent.adapters.extraction.formats.writer import TextWriter
from polyagent.domain.errors import DocumentUnreadable

PRESENTATION = "ppt/presentation.xml"
TITLES = ("title", "ctrTitle")


def read(content: bytes, writer: TextWriter) -> None:
    package = Package(content)
    if PRESENTATION not in package.names():
        raise DocumentUnreadable("It is damaged: it has no list of its slides.")
    for slide in _slides(package):
        writer.page()
        _Slide(writer).write(package, slide)
        for kind, notes in _related(package, slide).values():
            if kind.endswith("/notesSlide"):
                _Slide(writer).write(package, notes)


def _slides(package: Package) -> list[str]:
    ids: list[str] = []

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        # the attribute is r:id; `id` without a namespace is a number, and comes before it
        if tag == "sldId":
            ids.append(attributes["id"])

    package.parse(PRESENTATION, start, lambda _: None, lambda _: None)
    related = _related(package, PRESENTATION)
    return [related[id_][1] for id_ in ids if id_ in related]


def _related(package: Package, part: str) -> dict[str, tuple[str, str]]:
    """Return type and name of the parts that a part refers to, by their ids."""
    found: dict[str, tuple[str, str]] = {}
    folder, _, name = part.rpartition("/")
    names = frozenset(package.names())

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        target = normpath(join("/", dirname(part), attributes.get("Target", "")))[1:]
        if tag == "Relationship" and target in names:
            found[attributes.get("Id", "")] = (attributes.get("Type", ""), target)

    relations = f"{folder}/_rels/{name}.rels"
    if relations in names:
        package.parse(relations, start, lambda _: None, lambda _: None)
    return found


class _Slide(OfficeText):
    """The text of a slide: all paragraphs of a title's shape are headings."""

    def __init__(self, writer: TextWriter) -> None:
        super().__init__(writer, _title_level)


def _title_level(tag: str, attributes: Mapping[str, str]) -> int | None:
    return 1 if tag == "ph" and attributes.get("type") in TITLES else None
