"""Citations are the same wherever a message is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from polyagent.adapters.memory.models import said
from polyagent.adapters.worker.tasks.runner import TaskRunner
from tests.api.client import Answer
from tests.api.front import asked, chunks_of, error_of, official, user
from tests.api.house import SETTINGS, House
from tests.api.sockets import Street, street
from tests.api.test_document_search import puts

QUESTION = "How long is the notice period?"
TASKS = "/api/v1/tasks"


class Cited:
    """A document of ann's, and a model that cites it right and wrong."""

    def __init__(self, town: Street, document_id: str, chunk: Any) -> None:
        self.town = town
        self.house: House = town.house
        self.document_id = document_id
        label = chunk["id"].replace("-", "")[-8:]
        self.answer = f'Long [[{label}: "three months"]], they say [[{label}: "a year"]].'
        place = {"document_id": document_id, "filename": "report.txt", "chunk_id": chunk["id"]}
        self.citations = [
            {**place, "page": None, "start": 21, "end": 33, "quote": "three months"}
            | {"verified": True},
            {**place, "page": None, "start": 0, "end": 34, "quote": "a year", "verified": False},
        ]

    @property
    def ask(self) -> dict[str, Any]:
        return {"message": QUESTION, "document_ids": [self.document_id]}

    def script(self) -> None:
        self.house.models.scripts.append(said(*self.answer))


@pytest.fixture
async def cited() -> AsyncIterator[Cited]:
    async with street(SETTINGS) as town:
        text = "The notice period is three months."
        document_id = await puts(town.house, town.house.ann, text)
        path = f"/api/v1/documents/{document_id}/chunks"
        (chunk,) = (await town.house.ann.get(path)).json["items"]
        chunk["end"] = len(text)
        yield Cited(town, document_id, chunk)


def completed(answer: Answer) -> Any:
    lines = answer.body.decode().split("\n")
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    (event,) = [event for event in events if event["type"] == "message.completed"]
    return event["message"]


async def test_an_answer_its_session_and_its_events_have_the_same(cited: Cited) -> None:
    ann = cited.house.ann
    cited.script()

    answer = (await ann.post("/api/v1/chat", cited.ask)).json
    session = f"/api/v1/chat/sessions/{answer['session_id']}"
    _, kept = (await ann.get(f"{session}/messages")).json["items"]
    event = completed(await ann.get(f"/api/v1/runs/{answer['run_id']}/events"))

    assert answer["message"]["citations"] == cited.citations
    assert answer["message"]["content"] == cited.answer
    assert kept == answer["message"] == event


async def test_a_stream_has_them(cited: Cited) -> None:
    cited.script()

    streamed = await cited.house.ann.post("/api/v1/chat/stream", cited.ask)

    assert completed(streamed)["citations"] == cited.citations


async def test_a_socket_has_them(cited: Cited) -> None:
    cited.script()

    async with cited.town.talk(cited.house.ann) as talk:
        await talk.says("chat", **cited.ask)
        heard = await talk.hears_until("message.completed")

    assert heard[-1]["message"]["citations"] == cited.citations


async def test_a_fork_keeps_them(cited: Cited) -> None:
    ann = cited.house.ann
    cited.script()
    answer = (await ann.post("/api/v1/chat", cited.ask)).json

    session = f"/api/v1/chat/sessions/{answer['session_id']}"
    fork = await ann.post(f"{session}/fork", {"message_id": answer["message"]["id"]})
    messages = await ann.get(f"/api/v1/chat/sessions/{fork.json['id']}/messages")

    assert messages.json["items"][-1]["citations"] == cited.citations


@asynccontextmanager
async def at_work(house: House) -> AsyncIterator[None]:
    async with (await house.container.get(TaskRunner)).running():
        yield


async def test_a_task_has_them_in_its_result(cited: Cited) -> None:
    ann = cited.house.ann
    cited.script()

    task = (await ann.post(TASKS, {"kind": "chat", "payload": cited.ask})).json
    async with at_work(cited.house), asyncio.timeout(60):
        while task["status"] != "succeeded":
            await asyncio.sleep(0.02)
            task = (await ann.get(f"{TASKS}/{task['id']}")).json

    assert task["result"]["message"]["citations"] == cited.citations


async def agent(cited: Cited) -> str:
    made = await cited.house.agent(cited.house.ann, name="law", document_ids=[cited.document_id])
    return f"agent/{made['name']}"


async def test_the_front_has_them_beside_the_text(cited: Cited) -> None:
    model = await agent(cited)
    cited.script()
    cited.script()

    whole = await asked(cited.house.ann, user(QUESTION), model=model)
    streamed = await asked(cited.house.ann, user(QUESTION), model=model, stream=True)

    message = whole.json["choices"][0]["message"]
    assert (message["content"], message["citations"]) == (cited.answer, cited.citations)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks_of(streamed.body)]
    assert [delta["citations"] for delta in deltas if "citations" in delta] == [cited.citations]
    assert deltas[-1] == {}


async def test_the_front_without_documents_has_no_such_field(cited: Cited) -> None:
    whole = await asked(cited.house.ann, user(QUESTION))

    assert "citations" not in whole.json["choices"][0]["message"]


async def test_the_official_client_reads_them_and_may_send_them_back(cited: Cited) -> None:
    model = await agent(cited)
    client = official(cited.house, cited.house.ann)
    cited.script()

    first = await client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": QUESTION}]
    )
    message = first.choices[0].message
    sent_back = cast("Any", message.model_dump())
    second = await client.chat.completions.create(
        model=model,
        messages=[
            {"role": "user", "content": QUESTION},
            sent_back,
            {"role": "user", "content": "Sure?"},
        ],
    )

    assert message.model_extra is not None
    assert message.model_extra["citations"] == cited.citations
    assert (second.choices[0].message.content or "").endswith("Sure?")


async def test_the_front_takes_no_files_and_says_what_to_do(cited: Cited) -> None:
    part = {"type": "file", "file": {"file_id": cited.document_id}}

    answer = await asked(cited.house.ann, user([{"type": "text", "text": QUESTION}, part]))

    error = error_of(answer, 400, "invalid_request")
    assert "agent with documents" in error["message"]
