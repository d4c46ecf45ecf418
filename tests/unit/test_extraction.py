"""What the readers make of files, as users really have them."""

import io
import zipfile
from pathlib import Path

import pytest

from polyagent.adapters.extraction.formats import package
from polyagent.adapters.extraction.formats.reading import read
from polyagent.domain.documents.chunking import cut
from polyagent.domain.documents.filetype import (
    CSV,
    DOCX,
    HTML,
    JSON,
    MAIL,
    MARKDOWN,
    PDF,
    PPTX,
    TEXT,
    XLSX,
    Sniffer,
)
from polyagent.domain.errors import (
    DocumentEncrypted,
    DocumentTooComplex,
    DocumentUnreadable,
    DocumentWithoutText,
)
from tests.files import pdf, words, workbook, zipped

W = 'xmlns:w="http://w" xmlns:mc="http://mc"'


def text_of(content_type: str, content: bytes) -> str:
    return read(content_type, content).text.strip()


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def table(*rows: tuple[str, ...]) -> str:
    cells = ("".join(f"<w:tc>{cell}</w:tc>" for cell in row) for row in rows)
    return "<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in cells) + "</w:tbl>"


def docx(body: str, **parts: str) -> bytes:
    document = f"<w:document {W}><w:body>{body}</w:body></w:document>"
    return zipped({"word/document.xml": document, **parts})


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_a_csv_is_read_in_the_encoding_that_it_has(encoding: str) -> None:
    content = "nom;ville\r\nL\u00e9a;Orl\u00e9ans".encode(encoding)

    assert text_of(CSV, content) == "nom | ville\nL\u00e9a | Orl\u00e9ans"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"a,b\r1,2\r", "a | b\n1 | 2"),
        (b"sep=;\na;b\n", "a | b"),
        (b'a,b\n"never closed,c\nd', "a | b\nnever closed,c d"),
        (b"a,b\n1,2" + b"\x00" * 100, "a | b\n1 | 2"),
        (b"header,only", "header | only"),
        (b"a," + b"x" * 200_000, "a | " + "x" * 200_000),
        (b",".join(b"%d" % n for n in range(20_000)), " | ".join(map(str, range(20_000)))),
    ],
)
def test_a_csv_is_read_as_spreadsheets_write_it(content: bytes, text: str) -> None:
    assert text_of(CSV, content) == text


def test_text_in_gb18030_is_read() -> None:
    said = "\u59d3\u540d,\u57ce\u5e02\n\u5f20\u4e09,\u5317\u4eac\n\u674e\u56db,\u4e0a\u6d77\u5e02\u6d66\u4e1c\u65b0\u533a"

    assert "\u4e0a\u6d77\u5e02" in text_of(TEXT, said.encode("gb18030"))


def test_everything_in_a_docx_is_read_once_but_what_was_deleted() -> None:
    box = f"<w:txbxContent>{paragraph('box')}</w:txbxContent>"
    alternatives = (
        f"<w:p><w:r><mc:AlternateContent><mc:Choice>{box}</mc:Choice>"
        f"<mc:Fallback>{box}</mc:Fallback></mc:AlternateContent></w:r></w:p>"
    )
    body = (
        paragraph("plain")
        + table((paragraph("A1"), paragraph("B1")), (paragraph("A2"), paragraph("B2")))
        + table((table((paragraph("inner"),)),))
        + alternatives
        + "<w:p><w:hyperlink><w:r><w:t>link</w:t></w:r></w:hyperlink></w:p>"
        + "<w:p><w:ins><w:r><w:t>inserted</w:t></w:r></w:ins></w:p>"
        + "<w:p><w:del><w:r><w:delText>deleted</w:delText></w:r></w:del></w:p>"
        + f"<w:sdt><w:sdtContent>{paragraph('control')}</w:sdtContent></w:sdt>"
        + "<w:p><w:r><w:t>sp</w:t></w:r><w:r><w:t>lit</w:t></w:r></w:p>"
    )
    content = docx(
        body,
        **{
            "word/footnotes.xml": f"<w:footnotes {W}>{paragraph('footnote')}</w:footnotes>",
            "word/header1.xml": f"<w:hdr {W}>{paragraph('header')}</w:hdr>",
        },
    )

    text = text_of(DOCX, content)

    once = "plain A1 B1 A2 B2 inner box link inserted control split footnote header"
    assert {word: text.count(word) for word in once.split()} == dict.fromkeys(once.split(), 1)
    assert "A1 | B1\nA2 | B2" in text
    assert "deleted" not in text


def test_headings_of_a_docx_are_told_by_their_styles() -> None:
    styles = (
        f'<w:styles {W}><w:style w:styleId="Ti"><w:name w:val="heading 2"/></w:style></w:styles>'
    )
    body = '<w:p><w:pPr><w:pStyle w:val="Ti"/></w:pPr><w:r><w:t>Top</w:t></w:r></w:p>' + paragraph(
        "x"
    )

    (piece,) = cut(read(DOCX, docx(body, **{"word/styles.xml": styles})))

    assert piece.headings == ("Top",)


def test_slides_are_pages_in_the_order_in_which_they_are_shown() -> None:
    names = 'xmlns:a="http://a" xmlns:p="http://p" xmlns:r="http://r"'

    def slide(title: str, text: str) -> str:
        placeholder = '<p:nvSpPr><p:nvPr><p:ph type="title"/></p:nvPr></p:nvSpPr>'
        return (
            f"<p:sld {names}><p:sp>{placeholder}<a:p><a:r><a:t>{title}</a:t></a:r></a:p></p:sp>"
            f"<p:grpSp><p:sp><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:sp></p:grpSp></p:sld>"
        )

    def relation(id_: str, kind: str, target: str) -> str:
        return f'<Relationship Id="{id_}" Type="http://x/{kind}" Target="{target}"/>'

    slides = "".join(f'<p:sldId id="{n}" r:id="r{n}"/>' for n in (2, 1))
    content = zipped(
        {
            "ppt/presentation.xml": f"<p:presentation {names}>{slides}</p:presentation>",
            "ppt/_rels/presentation.xml.rels": "<Relationships>"
            + "".join(relation(f"r{n}", "slide", f"slides/slide{n}.xml") for n in (1, 2))
            + "</Relationships>",
            "ppt/slides/slide1.xml": slide("Last", "grouped"),
            "ppt/slides/slide2.xml": slide("First", "shape"),
            "ppt/slides/_rels/slide1.xml.rels": "<Relationships>"
            + relation("n", "notesSlide", "../notesSlides/notesSlide1.xml")
            + "</Relationships>",
            "ppt/notesSlides/notesSlide1.xml": slide("", "a note"),
        }
    )

    pieces = [*cut(read(PPTX, content))]

    assert [(piece.page, piece.text) for piece in pieces] == [
        (1, "First\n\nshape"),
        (2, "Last\n\ngrouped\n\na note"),
    ]
    assert pieces[0].headings == ("First",)


def test_sheets_are_pages_of_tables() -> None:
    pieces = [*cut(read(XLSX, workbook({"Sales": [["city", "sum"], ["Lyon", 7]]})))]

    assert [(piece.page, piece.text) for piece in pieces] == [(1, "Sales\n\ncity | sum\nLyon | 7")]


def test_pages_of_a_pdf_are_kept() -> None:
    pieces = [*cut(read(PDF, pdf("first page", "second page")))]

    assert [(piece.page, piece.text) for piece in pieces] == [(1, "first page"), (2, "second page")]


def test_a_pdf_of_pictures_has_no_text() -> None:
    with pytest.raises(DocumentWithoutText, match="pictures"):
        read(PDF, pdf("", ""))


def test_a_web_page_is_what_is_for_reading() -> None:
    page = (
        b"<html><head><title>T</title><style>css</style></head><body><nav>menu</nav><h1>Head</h1>"
        b"<p>one <b>two</b></p><ul><li>a<li>b</ul><table><tr><td>A1<td>B1</table>"
        b"<pre>x\n  y</pre><script>code</script>tail</body></html>"
    )

    assert text_of(HTML, page) == "T\n\nHead\n\none two\n\na\n\nb\n\nA1 | B1\n\nx\n  y\n\ntail"


def test_a_table_in_a_table_is_read_once() -> None:
    """As most mails are laid out."""
    inner = b"<table><tr><td>A<td>B</table>"
    content = b"<table><tr><td>one " + inner + b"<td>two<tr><td>three</table>"

    assert text_of(HTML, content).strip() == "one A B | two\nthree"


def test_markdown_stays_as_it_is_and_its_headings_are_known() -> None:
    text = "# A\nx\n\n## B\n\n```\n# no heading\n```\n" + "word " * 900

    pieces = [*cut(read(MARKDOWN, text.encode()))]

    assert all(text[piece.start : piece.end] == piece.text for piece in pieces)
    assert pieces[-1].headings == ("# A", "## B")


@pytest.mark.parametrize(
    "content", [b'{"a": [1, {"b": "c"}]}', b"[" * 100_000, b"1" * 10_000, b"{"]
)
def test_json_is_read_whatever_it_is(content: bytes) -> None:
    assert text_of(JSON, content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"Subject: s\r\nContent-Type: text/plain; charset=x-unknown\r\n\r\nbody", "s body"),
        (
            b"Subject: s\r\nContent-Type: text/plain; charset=iso-8859-8-i\r\n\r\n\xf9\xec",
            "s \u05e9\u05dc",
        ),
        (b'Subject: s\r\nContent-Type: text/plain; charset=""\r\n\r\nbody', "s body"),
        (b"\xef\xbb\xbfSubject: s\r\n\r\nbody", "s body"),
        (b"To: a@b.example\r\n\r\nbody", "a@b.example body"),
        (
            b"Subject: s\r\nContent-Transfer-Encoding: quoted-printable\r\n"
            b"Content-Type: text/plain; charset=utf-8\r\n\r\ncaf=C3",
            "s caf",
        ),
        (
            b"Subject: s\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
            b"--b\r\nContent-Type: text/html\r\n\r\n<p>only html</p>\r\n--b--\r\n",
            "s only html",
        ),
        (
            b"Subject: s\r\nContent-Transfer-Encoding: quoted-printable\r\n"
            b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>caf=C3=A9 =C3</p>",
            "s caf\u00e9",
        ),
        (
            b"Subject: s\r\nContent-Type: text/html; charset=koi8-r\r\n\r\n<p>\xcb\xcc\xc0\xde</p>",
            "s \u043a\u043b\u044e\u0447",
        ),
        (
            b"Subject: outer\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ndeep\r\n--b\r\n"
            b"Content-Type: application/ms-tnef; name=winmail.dat\r\n\r\nxx\r\n--b--\r\n",
            "outer inner deep winmail.dat",
        ),
    ],
)
def test_mail_is_read_whatever_it_says_of_itself(content: bytes, words: str) -> None:
    text = text_of(MAIL, content)

    assert [word for word in words.split() if word not in text] == []


@pytest.mark.parametrize(
    ("content_type", "content", "error"),
    [
        (TEXT, b"", DocumentWithoutText),
        (TEXT, b" \n ", DocumentWithoutText),
        (TEXT, "\u200b\n\u202e\u3000".encode(), DocumentWithoutText),
        (PDF, b"%PDF-1.7 torn", DocumentUnreadable),
        (DOCX, b"PK\x03\x04 torn", DocumentUnreadable),
        (DOCX, zipped({"other.xml": "<a/>"}), DocumentUnreadable),
        (DOCX, docx("<w:p>"), DocumentUnreadable),
        (DOCX, b"\xd0\xcf\x11\xe0 encrypted", DocumentEncrypted),
        (XLSX, zipped({"xl/workbook.xml": "<a/>"}), DocumentUnreadable),
        (
            DOCX,
            zipped({"word/document.xml": "<!DOCTYPE l [<!ENTITY a 'b'>]><l>&a;</l>"}),
            DocumentUnreadable,
        ),
        (DOCX, zipped({f"{n}": "" for n in range(package.MAX_ENTRIES + 1)}), DocumentTooComplex),
        (DOCX, zipped({"word/document.xml": " " * 5_000_000}), DocumentTooComplex),
    ],
)
def test_what_cannot_be_read_says_why(
    content_type: str, content: bytes, error: type[DocumentUnreadable]
) -> None:
    with pytest.raises(DocumentUnreadable) as raised:
        read(content_type, content)

    assert type(raised.value) is error
    assert raised.value.detail


def test_a_part_that_lies_about_its_size_is_counted_as_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(package, "MAX_BYTES", 1000)
    monkeypatch.setattr(package.Package, "_require_moderate", lambda _: None)

    with pytest.raises(DocumentTooComplex):
        read(DOCX, docx(paragraph(words(2000))))


def test_a_sniffer_finds_the_kind_wherever_the_chunks_end() -> None:
    content = docx(paragraph("x"), **{"[Content_Types].xml": "<Types/>"})
    sniffer = Sniffer()

    for at in range(len(content)):
        sniffer.feed(content[at : at + 1])

    assert sniffer.content_type("a.txt") == DOCX


def test_the_files_of_the_tests_are_what_they_say(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(docx("x"))) as found:
        assert found.testzip() is None
