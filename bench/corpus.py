"""Files of many formats, with words by Zipf's law, as many pages as one asks for."""

import email.message
import json
from collections.abc import Callable, Iterator, Mapping

import msgspec
from tests.files import pdf, workbook, zipped

from bench.parts.documents import Words

PAGES = 40
"""Pages of a file."""
LINES = 40
LINE_WORDS = 10
PARAGRAPHS = 5


class Paper(msgspec.Struct, frozen=True):
    kind: str
    name: str
    content: bytes


class Corpus:
    """Always the same. A page has 400 words; where a format has no pages, these are sections."""

    def __init__(self) -> None:
        self._words = Words()
        self._makers: Mapping[str, Callable[[], bytes]] = {
            "pdf": self._pdf,
            "docx": self._docx,
            "pptx": self._pptx,
            "xlsx": self._xlsx,
            "html": self._html,
            "md": self._md,
            "txt": self._txt,
            "csv": self._csv,
            "json": self._json,
            "eml": self._eml,
        }

    def papers(self, pages: int) -> Iterator[Paper]:
        """Return files of as many pages, as many of each format."""
        for n in range(pages // (PAGES * len(self._makers))):
            for kind, make in self._makers.items():
                yield Paper(kind, f"paper-{n}.{kind}", make())

    def _line(self) -> str:
        return self._words.text(LINE_WORDS)

    def _paragraphs(self) -> list[str]:
        count = LINES * LINE_WORDS // PARAGRAPHS
        return [self._words.text(count).capitalize() + "." for _ in range(PARAGRAPHS)]

    def _pages(self) -> Iterator[tuple[str, list[str]]]:
        return ((self._words.text(4).title(), self._paragraphs()) for _ in range(PAGES))

    def _pdf(self) -> bytes:
        streams = []
        for _ in range(PAGES):
            lines = " ".join(f"({self._line()}) Tj T*" for _ in range(LINES))
            streams.append(f"BT /F 3 Tf 4 TL 10 190 Td {lines} ET".encode())
        return pdf(streams=streams)

    def _docx(self) -> bytes:
        def paragraph(text: str, style: str = "") -> str:
            told = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
            return f"<w:p>{told}<w:r><w:t>{text}</w:t></w:r></w:p>"

        body = "".join(
            paragraph(title, "Heading1") + "".join(map(paragraph, told))
            for title, told in self._pages()
        )
        document = f'<w:document xmlns:w="http://w"><w:body>{body}</w:body></w:document>'
        return zipped({"word/document.xml": document})

    def _pptx(self) -> bytes:
        names = 'xmlns:a="http://a" xmlns:p="http://p" xmlns:r="http://r"'
        slides = {
            n: f"<p:sld {names}><p:sp>"
            + "".join(f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p>" for text in (title, *told))
            + "</p:sp></p:sld>"
            for n, (title, told) in enumerate(self._pages(), 1)
        }
        listed = "".join(f'<p:sldId id="{n}" r:id="r{n}"/>' for n in slides)
        related = "".join(
            f'<Relationship Id="r{n}" Type="http://x/slide" Target="slides/slide{n}.xml"/>'
            for n in slides
        )
        return zipped(
            {
                "ppt/presentation.xml": f"<p:presentation {names}>{listed}</p:presentation>",
                "ppt/_rels/presentation.xml.rels": f"<Relationships>{related}</Relationships>",
                **{f"ppt/slides/slide{n}.xml": slide for n, slide in slides.items()},
            }
        )

    def _rows(self) -> list[list[str | int]]:
        return [[n, *(self._words.text(2) for _ in range(LINE_WORDS // 2))] for n in range(LINES)]

    def _xlsx(self) -> bytes:
        return workbook({f"Sheet {n}": self._rows() for n in range(PAGES)})

    def _csv(self) -> bytes:
        rows = (row for _ in range(PAGES) for row in self._rows())
        return "\n".join(",".join(map(str, row)) for row in rows).encode()

    def _html(self) -> bytes:
        body = "".join(
            f"<h1>{title}</h1>" + "".join(f"<p>{text}</p>" for text in told)
            for title, told in self._pages()
        )
        return f"<!doctype html><html><body>{body}</body></html>".encode()

    def _md(self) -> bytes:
        return "\n\n".join(
            "\n\n".join([f"# {title}", *told]) for title, told in self._pages()
        ).encode()

    def _txt(self) -> bytes:
        return "\n\n".join(text for _, told in self._pages() for text in told).encode()

    def _json(self) -> bytes:
        return json.dumps(
            [{"title": title, "text": told} for title, told in self._pages()]
        ).encode()

    def _eml(self) -> bytes:
        mail = email.message.EmailMessage()
        mail["Subject"], mail["From"], mail["To"] = "Papers", "a@a.example", "b@b.example"
        mail.set_content(self._txt().decode())
        return mail.as_bytes()
