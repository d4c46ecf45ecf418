"""Documents: uploaded, indexed, read, downloaded, deleted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from polyagent.adapters.worker.tasks.runner import TaskRunner
from polyagent.domain.ids import new_id
from polyagent.ports.documents.blobs import Blobs
from polyagent.settings import Documents, Queue
from tests.api.client import Answer, Client
from tests.api.forms import File, form
from tests.api.house import SETTINGS, House, in_one_task, some_id

DOCUMENTS = "/api/v1/documents"
UPLOAD = f"{DOCUMENTS}/upload"
PATIENCE_S = 60
LIMITS = Documents(max_upload_bytes=200_000, user_bytes=500_000, chunk_tokens=50)
STORY = b"# The fox\n\nThe quick brown fox jumps over the lazy dog.\n\n# The end\n\nIt was glad.\n"


@asynccontextmanager
async def lived_in(documents: Documents) -> AsyncIterator[House]:
    queue = Queue(retry_s=0.01, drain_s=0.2)
    settings = msgspec.structs.replace(SETTINGS, queue=queue, documents=documents)
    async with House(settings).open() as house:
        yield house


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with in_one_task(lived_in(LIMITS)) as house:
        yield house


@asynccontextmanager
async def at_work(house: House) -> AsyncIterator[None]:
    async with (await house.container.get(TaskRunner)).running():
        yield


async def uploads(
    client: Client,
    *also: tuple[str, str | File],
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> Answer:
    body, content_type = form(*also, **fields)
    pieces = [body[at : at + 1000] for at in range(0, len(body), 1000)]
    told = {"content_type": content_type, **(headers or {})}
    return await client.request("POST", UPLOAD, content=pieces, headers=told)


async def settled(client: Client, document: Any) -> Any:
    """Return a document once it is `indexed` or `failed`."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            now = (await client.get(f"{DOCUMENTS}/{document['id']}")).json
            if now["status"] in ("indexed", "failed"):
                return now
            await asyncio.sleep(0.02)


async def blobs_of(house: House) -> list[str]:
    blobs = await house.container.get(Blobs)
    return [name async for names in blobs.names() for name in names]


async def test_an_uploaded_document_is_what_was_said_of_it(house: House) -> None:
    answer = await uploads(
        house.ann, file=("Bericht ü.md", STORY), collection="tales", metadata='{"year": 2026}'
    )

    document = answer.json
    assert answer.status == 202
    assert answer.headers["location"] == f"{DOCUMENTS}/{document['id']}"
    assert answer.headers["etag"] == '"1"'
    assert (document["filename"], document["content_type"]) == ("Bericht ü.md", "text/markdown")
    assert (document["status"], document["progress"], document["size_bytes"]) == (
        *("uploaded", 0),
        len(STORY),
    )
    assert (document["collection"], document["visibility"]) == ("tales", "private")
    assert document["metadata"] == {"year": 2026}


async def test_a_document_is_indexed_and_its_chunks_are_read(house: House) -> None:
    document = (await uploads(house.ann, file=("fox.md", STORY))).json

    async with at_work(house):
        done = await settled(house.ann, document)

    chunks = (await house.ann.get(f"{DOCUMENTS}/{document['id']}/chunks")).json["items"]
    text = STORY.decode()
    assert (done["status"], done["progress"], done["error"]) == ("indexed", 1, None)
    assert done["chunk_count"] == len(chunks) > 0
    assert done["indexed_at"] is not None
    assert all(text[chunk["start"] : chunk["end"]] == chunk["text"] for chunk in chunks)
    assert "brown fox" in chunks[0]["text"]
    assert chunks[0]["headings"] == ["# The fox"]


async def test_the_bytes_come_back_as_an_attachment(house: House) -> None:
    document = (await uploads(house.ann, file=("fox ü.html", b"<html>hi</html>"))).json

    answer = await house.ann.get(f"{DOCUMENTS}/{document['id']}/content")

    assert (answer.status, answer.body) == (200, b"<html>hi</html>")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-security-policy"] == "sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"fox u.html\"; filename*=UTF-8''fox%20%C3%BC.html"
    )


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("..", "file"),
        ("C:\\docs\\a.txt", "a.txt"),
        ("a" * 300 + ".txt", "a" * 196 + ".txt"),
        ("re\u0301sume\u0301.txt", "r\u00e9sum\u00e9.txt"),
        ("a%0d%0aX: y.txt", None),
    ],
)
async def test_names_are_made_harmless(house: House, sent: str, kept: str | None) -> None:
    answer = await uploads(house.ann, file=(sent, new_id().bytes.hex().encode()))

    assert answer.status == 202
    assert answer.json["filename"] == kept if kept else "\n" not in answer.json["filename"]


@pytest.mark.parametrize("fields", [{}, {"collection": "tales"}])
async def test_the_same_file_twenty_times_at_once_is_one_document(
    house: House, fields: dict[str, Any]
) -> None:
    many = [uploads(house.ann, file=(f"{n}.md", STORY), **fields) for n in range(20)]

    answers = await asyncio.gather(*many)

    assert len({answer.json["id"] for answer in answers}) == 1
    assert sorted(answer.status for answer in answers) == [200] * 19 + [202]
    assert len(await blobs_of(house)) == 1
    tasks = (await house.ann.get("/api/v1/tasks?kind=ingest")).json["items"]
    assert len(tasks) == 1


async def test_a_key_answers_an_upload_again(house: House) -> None:
    key = {"idempotency_key": "once"}
    first = await uploads(house.ann, headers=key, file=("a.md", STORY))

    again = await uploads(house.ann, headers=key, file=("a.md", STORY))
    other = await uploads(house.ann, headers=key, file=("a.md", STORY + b"!"))

    assert (again.status, again.body) == (first.status, first.body) == (202, first.body)
    assert again.headers["idempotent-replayed"] == "true"
    other.as_problem(422, "idempotency_key_reused")
    assert len(await blobs_of(house)) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"file": "no file"},
        {"file": ("a.txt", b"a"), "other": "field"},
        {"file": ("a.txt", b"a"), "visibility": "public"},
        {"file": ("a.txt", b"a"), "collection": ""},
        {"file": ("a.txt", b"a"), "collection": "a\x00b"},
        {"file": ("a.txt", b"a"), "metadata": "{no json"},
        {"file": ("a.txt", b"a"), "metadata": "[1]"},
        {"file": ("a.txt", b"a"), "metadata": '{"a": "' + "x" * 70_000 + '"}'},
    ],
)
async def test_forms_that_are_wrong_leave_nothing_behind(
    house: House, fields: dict[str, Any]
) -> None:
    answer = await uploads(house.ann, **fields)

    answer.as_problem(400, "invalid_request")
    assert await blobs_of(house) == []


async def test_two_files_are_refused(house: House) -> None:
    answer = await uploads(house.ann, ("file", ("b.txt", b"b")), file=("a.txt", b"a"))

    answer.as_problem(400, "invalid_request")
    assert await blobs_of(house) == []


async def test_a_body_that_is_no_form_is_refused(house: House) -> None:
    plain = await house.ann.post(UPLOAD, {"file": "a"})
    torn = await house.ann.request(
        "POST",
        UPLOAD,
        content=b"--b\r\n",
        headers={"content_type": "multipart/form-data; boundary=b"},
    )
    vague = await house.ann.request(
        "POST", UPLOAD, content=b"--b\r\n", headers={"content_type": "multipart/form-data"}
    )
    odd = await house.ann.request(
        "POST",
        UPLOAD,
        content=b'--b\r\nContent-Disposition: form-data; name="file"; filename="\xc4"\r\n\r\na',
        headers={"content_type": "multipart/form-data; boundary=b"},
    )

    plain.as_problem(415, "unsupported_media_type")
    torn.as_problem(400, "invalid_request")
    assert "Error" not in odd.as_problem(400, "invalid_request")["detail"]
    vague.as_problem(400, "invalid_request")


async def test_a_file_that_is_too_large_is_refused(house: House) -> None:
    answer = await uploads(house.ann, file=("a.txt", b"a" * 200_001))

    answer.as_problem(413, "too_large")
    assert await blobs_of(house) == []


async def test_a_user_keeps_so_much(house: House) -> None:
    for n in range(2):
        await uploads(house.ann, file=("a.txt", b"%d" % n * 200_000))

    full = await uploads(house.ann, file=("a.txt", b"c" * 200_000))
    others = await uploads(house.bob, file=("a.txt", b"c" * 200_000))

    full.as_problem(413, "quota_exceeded")
    assert others.status == 202
    assert len(await blobs_of(house)) == 3  # what is refused takes no room


async def test_only_files_may_be_large(house: House) -> None:
    ids = [str(some_id()) for _ in range(30_000)]

    answer = await house.ann.post(f"{DOCUMENTS}/index", {"document_ids": ids})

    answer.as_problem(413, "too_large")


@pytest.mark.parametrize("name", ["a.pdf", "a.txt", "a"])
@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n" + b"\x00\x01" * 50, b"PK\x03\x04" + b"x" * 99]
)
async def test_what_is_of_no_format_is_refused(house: House, name: str, content: bytes) -> None:
    answer = await uploads(house.ann, file=(name, content))

    answer.as_problem(415, "document_type_unsupported")
    assert await blobs_of(house) == []


async def test_a_type_is_that_of_the_content(house: House) -> None:
    answer = await uploads(house.ann, file=("a.docx", b"%PDF-1.7\nnot much"))

    assert answer.json["content_type"] == "application/pdf"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("empty.txt", b"", "no_text"),
        ("blank.txt", b" \n\n ", "no_text"),
        ("torn.pdf", b"%PDF-1.7\nnot much", "document_damaged"),
        ("torn.docx", b"PK\x03\x04 word/document.xml", "document_damaged"),
    ],
)
async def test_what_cannot_be_read_fails_and_says_why(
    house: House, name: str, content: bytes, code: str
) -> None:
    document = (await uploads(house.ann, file=(name, content))).json

    async with at_work(house):
        failed = await settled(house.ann, document)
        again = await uploads(house.ann, file=(name, content))

    assert (failed["status"], failed["error"]["code"]) == ("failed", code)
    assert failed["error"]["detail"]
    assert (again.status, again.json["id"]) == (202, document["id"])


async def test_a_deleted_document_is_gone_with_its_bytes(house: House) -> None:
    document = (await uploads(house.ann, file=("fox.md", STORY))).json
    address = f"{DOCUMENTS}/{document['id']}"

    stale = await house.ann.request("DELETE", address, headers={"if_match": '"7"'})
    gone = await house.ann.request("DELETE", address, headers={"if_match": '"1"'})
    again = await house.ann.request("DELETE", address)

    stale.as_problem(412, "precondition_failed")
    assert gone.status == 204
    again.as_problem(404, "not_found")
    assert await blobs_of(house) == []


async def test_others_read_what_is_shared_and_nothing_else(house: House) -> None:
    private = (await uploads(house.ann, file=("a.md", STORY))).json
    shared = (await uploads(house.ann, file=("b.md", STORY + b"!"), visibility="shared")).json
    address = f"{DOCUMENTS}/{shared['id']}"

    seen = (await house.vic.get(DOCUMENTS)).json["items"]
    hidden = [
        await house.bob.get(f"{DOCUMENTS}/{private['id']}{of}")
        for of in ("", "/content", "/chunks")
    ]

    assert [document["id"] for document in seen] == [shared["id"]]
    assert (await house.vic.get(f"{address}/content")).status == 200
    for answer in hidden:
        answer.as_problem(404, "not_found")
    (await house.bob.request("DELETE", address)).as_problem(403, "forbidden")
    body = {"document_ids": [private["id"]]}
    (await house.bob.post(f"{DOCUMENTS}/index", body)).as_problem(404, "not_found")
    assert (await uploads(house.vic, file=("a.md", STORY))).status == 403


async def test_documents_are_indexed_again(house: House) -> None:
    document = (await uploads(house.ann, file=("fox.md", STORY))).json
    async with at_work(house):
        await settled(house.ann, document)
        one = await house.ann.post(f"{DOCUMENTS}/index", {"document_ids": [document["id"]]})
        every = await house.ann.post(f"{DOCUMENTS}/index", {})
        done = await settled(house.ann, document)

    assert (one.status, every.status) == (202, 202)
    assert [task["kind"] for task in one.json["items"]] == ["ingest"]
    assert [task["payload"]["document_id"] for task in every.json["items"]] == [document["id"]]
    assert done["status"] == "indexed"


async def test_an_administrator_who_reads_what_is_anothers_is_noted(house: House) -> None:
    document = (await uploads(house.ann, file=("fox.md", STORY))).json

    await house.root.get(f"{DOCUMENTS}/{document['id']}")

    entries = (await house.root.get("/api/v1/audit")).json["items"]
    seen = [entry for entry in entries if entry["action"] == "document.read"]
    assert [entry["object"] for entry in seen] == [document["id"]]
