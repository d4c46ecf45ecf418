"""Documents on a real server whose processes and engines are killed while they are uploaded and indexed."""

import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from tests.api.forms import form
from tests.e2e.papers import UPLOAD, Papers, pieces_of
from tests.e2e.server import Up, eventually
from tests.e2e.test_deaths import pid_of

MANY = 6000
ENGINES = {"postgres": "pg/postmaster.pid", "valkey": "valkey/valkey.pid"}
RETRY = {"POLYAGENT_QUEUE__RETRY_S": "0.1"}


@pytest.fixture(scope="module")
def up(model_service: str) -> Iterator[Up]:
    with Up(model_service, environ=RETRY) as server:
        yield server


@pytest.fixture(scope="module")
def token(up: Up) -> str:
    return up.token()


@pytest.fixture(scope="module")
def papers(up: Up, token: str) -> Iterator[Papers]:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=up.url, headers=headers, timeout=60, trust_env=False) as client:
        yield Papers(client, up.data_dir)


def story(mark: str) -> str:
    """Return a text that takes seconds to index, with a word of its own at its end."""
    paragraphs = (
        f"In chapter {n} of {mark} the fox met {n * 7} hounds, and house {n % 97} was sold by none of"
        f" them before winter {n % 31}, whatever clerk {n * 13} may have written down about it."
        for n in range(MANY)
    )
    return "\n\n".join([*paragraphs, f"Here ends {mark}end."])


def test_a_document_outlives_the_workers_that_index_it(up: Up, papers: Papers) -> None:
    text = story("killed")
    document = papers.uploaded("killed.txt", text.encode())

    for _ in range(2):
        papers.half_indexed(document)
        hidden, found = [*papers.chunks(document)], papers.found("killedend")
        version = papers.get(document)["version"]
        worker = pid_of(up, "polyagent worker")
        os.kill(worker, signal.SIGKILL)
        assert (hidden, found) == ([], [])
        eventually("it begins anew", lambda v=version: papers.get(document)["version"] > v)
    done = papers.settled(document)

    chunks = [(c["n"], c["start"], c["end"], c["text"]) for c in papers.chunks(document)]
    assert (done["status"], done["progress"]) == ("indexed", 1)
    assert chunks == pieces_of(text)
    assert [each["document_id"] for each in papers.found("killedend")] == [document["id"]]
    assert papers.rows(document) == len(chunks) + 1


def test_a_document_is_deleted_while_it_is_indexed(papers: Papers) -> None:
    document = papers.uploaded("deleted.txt", story("deleted").encode())
    before = papers.blobs()
    papers.half_indexed(document)

    gone = papers.delete(document)

    assert gone.status_code == 204
    assert papers.delete(document).status_code == 404
    assert papers.found("deletedend") == []
    tasks = papers.http.get("/api/v1/tasks?kind=ingest&limit=1").json()["items"]
    path = f"/api/v1/tasks/{tasks[0]['id']}"
    eventually("its task ends", lambda: papers.http.get(path).json()["finished_at"])
    assert papers.rows(document) == 0
    assert len(before - papers.blobs()) == 1


def test_the_same_bytes_twenty_times_at_once_are_indexed_once(papers: Papers) -> None:
    before = papers.blobs()
    with ThreadPoolExecutor(20) as pool:
        answers = [*pool.map(lambda n: papers.upload(f"{n}.txt", b"Twins are two."), range(20))]
    done = papers.settled(answers[0].json())

    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (done["status"], len([*papers.chunks(done)])) == ("indexed", 1)
    assert len(papers.blobs() - before) == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_dies_in_the_middle_of_an_upload(up: Up, papers: Papers, engine: str) -> None:
    content = f"Of {engine} and the fox. ".encode() * 20_000
    body, content_type = form(file=(f"{engine}.txt", content))
    pid = int((up.data_dir / ENGINES[engine]).read_text().split()[0])

    def pieces() -> Iterator[bytes]:
        yield body[: len(body) // 2]
        os.kill(pid, signal.SIGKILL)
        yield body[len(body) // 2 :]

    answer = papers.http.post(UPLOAD, content=pieces(), headers={"Content-Type": content_type})
    again = eventually("an upload is taken", lambda: _taken(papers, f"{engine}.txt", content))
    done = papers.settled(again)

    assert answer.status_code in (200, 202, 503), answer.text
    assert answer.status_code != 503 or int(answer.headers["retry-after"]) >= 1
    assert done["status"] == "indexed"
    assert papers.content(done) == content
    assert [each["filename"] for each in papers.all()].count(f"{engine}.txt") == 1


def _taken(papers: Papers, name: str, content: bytes) -> object:
    with suppress(httpx.TransportError):
        answer = papers.upload(name, content)
        assert answer.status_code in (200, 202, 503), answer.text
        return answer.json() if answer.status_code != 503 else None
    return None


def test_of_a_client_that_breaks_off_nothing_is_left(up: Up, token: str, papers: Papers) -> None:
    before = papers.blobs()
    body, content_type = form(file=("torn.txt", b"torn " * 400_000))
    head = (
        f"POST {UPLOAD} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", up.port)) as client:
        client.sendall(head.encode() + body[:1_000_000])

    eventually("nothing is left", lambda: papers.blobs() == before)
    assert "torn.txt" not in [each["filename"] for each in papers.all()]


def test_in_the_end_no_document_is_on_its_way(papers: Papers) -> None:
    statuses = {each["status"] for each in papers.all()}

    assert statuses <= {"indexed", "failed"}
