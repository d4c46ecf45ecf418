"""Files that are broken, hostile, or not what they say: each has an end, and the server lives."""

import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import pytest

from tests.api.forms import form
from tests.e2e.papers import UPLOAD, Papers
from tests.e2e.server import Up
from tests.e2e.test_deaths import pid_of
from tests.files import pdf, workbook, zipped

MEGABYTE = 1_000_000
GROWTH_BYTES = 200 * MEGABYTE
DOCX = "word/document.xml"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
INDEXED, REFUSED = "indexed", "415"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


def _encrypted_pdf() -> bytes:
    key = b"<" + b"5a" * 32 + b">"
    lock = b"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O%s/U%s>>/ID[<00><00>]" % (key, key)
    return pdf("secret").replace(b"/Root 1 0 R", b"/Root 1 0 R" + lock)


BAD: Mapping[str, tuple[str, Callable[[], bytes], str]] = {
    "encrypted pdf": ("a.pdf", _encrypted_pdf, "document_encrypted"),
    "encrypted docx": (
        "a.docx",
        lambda: OLE + "EncryptedPackage".encode("utf-16-le") + bytes(512),
        "document_encrypted",
    ),
    "torn pdf": ("t.pdf", lambda: pdf("x" * 50)[:150], "document_damaged"),
    "torn docx": ("t.docx", lambda: zipped({DOCX: "<a>x</a>"})[:60], "document_damaged"),
    "xml that ends early": ("e.docx", lambda: zipped({DOCX: "<a><b>x"}), "document_damaged"),
    "scanned": ("s.pdf", lambda: pdf("", "", ""), "no_text"),
    "empty": ("e.txt", lambda: b"", "no_text"),
    "blank": ("b.md", lambda: b"\n \n\n", "no_text"),
    "program as pdf": ("p.pdf", lambda: b"\x7fELF" + bytes(range(256)) * 9, REFUSED),
    "picture as docx": ("p.docx", lambda: b"\x89PNG\r\n\x1a\n" + bytes(999), REFUSED),
    "zip as xlsx": ("z.xlsx", lambda: zipped({"a.bin": b"x"}), REFUSED),
    "pdf as text": ("p.txt", lambda: pdf("a pdf in truth"), INDEXED),
    "text as pdf": ("t.pdf", lambda: b"A text in truth.", INDEXED),
    "zip bomb": (
        "z.docx",
        lambda: zipped({DOCX: b"<a>" * (30 * MEGABYTE)}),
        "document_too_complex",
    ),
    "entity bomb": (
        "l.docx",
        lambda: zipped({DOCX: f"<!DOCTYPE l [<!ENTITY l0 'ha'>{LAUGHS}]><l>&l9;</l>"}),
        "document_damaged",
    ),
    "deflated pdf": (
        "d.pdf",
        lambda: pdf(
            filter_=b"/Filter/FlateDecode",
            streams=[zlib.compress(b"BT /F 9 Tf " + b"(x) Tj " * 8_000_000 + b"ET")],
        ),
        "document_too_complex",
    ),
    "a hundred thousand pages": (
        "h.pdf",
        lambda: pdf(*["x"] * 100_000),
        "document_too_complex",
    ),
    "endless word": ("w.txt", lambda: b" " + b"a" * 300_000, INDEXED),
    "endless word of CJK": ("c.txt", lambda: "\u6f22\u5b57".encode() * 30_000, INDEXED),
    "minified": ("m.json", lambda: b"[" + b'{"k":[1,2,3]},' * 70_000 + b"0]", INDEXED),
    "NUL in the text": ("n.txt", lambda: b"A\x00B\n", INDEXED),
    "a table only": ("x.xlsx", lambda: workbook({"S": [["Orl\u00e9ans", 7]]}), INDEXED),
    "cp1252": ("f.csv", lambda: "nom;ville\r\nL\u00e9a;Orl\u00e9ans".encode("cp1252"), INDEXED),
}
NAMES = [
    "../../../etc/passwd.txt",
    "..",
    "a\\..\\b.txt",
    "x" * 300 + ".txt",
    "a\r\nX-Evil: 1.txt",
    "a\x00b.txt",
    "a\u202ecod.txt",
    "re\u0301sume\u0301.txt",
    "",
]


@pytest.fixture
def papers(up: Up, api: httpx.Client) -> Papers:
    return Papers(api, up.data_dir)


def most_bytes(pid: int) -> int:
    """Return the most memory that a process has ever had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (peak,) = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return int(peak) * 1024


def test_each_bad_file_has_its_end_and_the_server_lives(up: Up, papers: Papers) -> None:
    processes = [pid_of(up, "polyagent worker"), pid_of(up, "polyagent serve")]
    papers.settled(papers.uploaded("first.txt", b"What is good is indexed."))
    before = [most_bytes(pid) for pid in processes]

    answers = {which: papers.upload(name, make()) for which, (name, make, _) in BAD.items()}
    ends = {which: _end(papers, answer) for which, answer in answers.items()}

    assert ends == {which: code for which, (_, _, code) in BAD.items()}
    assert [pid_of(up, "polyagent worker"), pid_of(up, "polyagent serve")] == processes
    for pid, was in zip(processes, before, strict=True):
        assert most_bytes(pid) - was < GROWTH_BYTES
    assert papers.http.get("/health/ready").status_code == 200
    assert {each["status"] for each in papers.all()} <= {"indexed", "failed"}
    for query in ("Orleans", "pdf truth", "\u6f22\u5b57"):
        assert papers.found(query), query


def _end(papers: Papers, answer: httpx.Response) -> str:
    """Return the code of its error, or its status: of the answer, or in the end."""
    if answer.status_code != 202:
        return str(answer.status_code)
    settled = papers.settled(answer.json())
    if settled["status"] == "indexed":
        assert settled["chunk_count"] > 0
        return INDEXED
    assert settled["error"]["detail"]
    return str(settled["error"]["code"])


@pytest.mark.parametrize("name", NAMES)
def test_a_name_goes_nowhere(papers: Papers, name: str) -> None:
    content = f"In a file that was named {name!r}.".encode()
    body, content_type = form(file=(name, content))

    answer = papers.http.post(UPLOAD, content=body, headers={"Content-Type": content_type})

    if answer.status_code == 400:
        assert answer.json()["code"] == "invalid_request"
        return
    document = answer.json()
    assert answer.status_code == 202, answer.text
    assert 1 <= len(document["filename"]) <= 200
    assert document["filename"].isprintable()
    assert not set(document["filename"]) & {"/", "\\"}
    download = papers.http.get(f"/api/v1/documents/{document['id']}/content")
    assert download.content == content
    assert "x-evil" not in download.headers
    assert download.headers["content-disposition"].isascii()
