"""Searching documents over HTTP: what is asked, what is answered, and for whom."""

from typing import Any
from uuid import UUID

import pytest

from polyagent.adapters.memory.models import said
from polyagent.domain.account import Actor
from polyagent.domain.documents.document import Chunk, Document
from polyagent.domain.documents.retrieval import MAX_QUERY_CHARACTERS
from polyagent.domain.ids import new_id
from polyagent.ports.clock import Clock
from polyagent.ports.documents.documents import Indexes
from polyagent.ports.store import Store
from tests.api.client import Client
from tests.api.house import House, some_id

SEARCH = "/api/v1/documents/search"
SCHEDULE = {"name": "s", "cron": "@daily", "timezone": "UTC"}


async def puts(house: House, client: Client, *texts: str, **changes: Any) -> str:
    """Put an indexed document of somebody's, and return its id."""
    profile = (await client.get("/api/v1/users/profile")).json
    actor = Actor(UUID(profile["id"]), UUID(profile["workspace_id"]), "member")
    document = Document(
        id=new_id(),
        workspace_id=actor.workspace_id,
        owner_id=actor.user_id,
        content_type="text/plain",
        size_bytes=1,
        sha256=new_id().hex,
        created_at=(await house.container.get(Clock)).now(),
        **{"filename": "report.txt", **changes},
    )
    async with (await house.container.get(Store)).begin(actor) as tx:
        await tx.documents.add(document, str(document.id), most_bytes=10**9)
    indexes = await house.container.get(Indexes)
    build = await indexes.begin(actor, document.id, new_id())
    await indexes.write(
        build, [_chunk(document, n, text) for n, text in enumerate(texts)], progress=1
    )
    await indexes.finish(build)
    return str(document.id)


def _chunk(document: Document, n: int, text: str) -> Chunk:
    return Chunk(id=new_id(), document_id=document.id, n=n, text=text, start=n, end=n + len(text))


async def test_a_search_answers_as_the_contract_says(house: House) -> None:
    document_id = await puts(house, house.ann, "Bees make honey.", "Owls hunt.", filename="é.txt")

    answer = await house.ann.post(SEARCH, {"query": "Who makes honey?"})

    assert answer.status == 200
    assert set(answer.json) == {"items", "mode", "note"}
    (item,) = answer.json["items"]
    assert set(item) == {
        *("document_id", "filename", "chunk_id", "text", "page", "start", "end", "score")
    }
    assert item["document_id"] == document_id
    assert (item["filename"], item["text"], item["page"]) == ("é.txt", "Bees make honey.", None)


@pytest.mark.parametrize(("asked", "note"), [(None, True), ("hybrid", True), ("text", False)])
async def test_without_an_embedding_service_words_are_searched_and_it_says_so(
    house: House, asked: str | None, note: bool
) -> None:
    await puts(house, house.ann, "bees")
    mode = {} if asked is None else {"mode": asked}

    answer = await house.ann.post(SEARCH, {"query": "bees", **mode})

    assert answer.json["mode"] == "text"
    assert bool(answer.json["note"]) is note
    assert len(answer.json["items"]) == 1


async def test_a_search_by_meaning_needs_an_embedding_service(house: House) -> None:
    answer = await house.ann.post(SEARCH, {"query": "bees", "mode": "vector"})

    problem = answer.as_problem(422, "not_supported")
    assert problem["errors"][0]["pointer"] == "#/mode"


@pytest.mark.parametrize(
    "body",
    [
        *(
            {},
            {"query": ""},
            {"query": " \n "},
            {"query": "a\u0000b"},
            {"query": None},
            {"query": ["bees"]},
        ),
        {"query": "x" * (MAX_QUERY_CHARACTERS + 1)},
        {"query": "bees " * 20_000},
        *({"query": "b", "top_k": 0}, {"query": "b", "top_k": 101}, {"query": "b", "top_k": "3"}),
        *({"query": "b", "mode": "magic"}, {"query": "b", "collection": ""}),
        *({"query": "b", "document_ids": ["x"]}, {"query": "b", "user_id": str(some_id())}),
        {"query": "b", "document_ids": [str(some_id())] * 1001},
    ],
)
async def test_what_is_no_search_is_refused(house: House, body: dict[str, Any]) -> None:
    (await house.ann.post(SEARCH, body)).as_problem(400, "invalid_request")


@pytest.mark.parametrize(
    "query",
    [
        *("a", "the", "and or not", 'AND OR -"*', "&|!():*<->'\"", "%_\\", "'; --"),
        *("\u200b", "\u202e", "\ufeff\u2060", "☃", "👩‍👩‍👧‍👦", "🇯🇵", "مرحبا", "\u2067שלום\u2069"),
        *("é" * 4000, "检" * 4000, "a " * 2000, "\u0301" * 4000, "🐝" * 4000, "\ufdfa" * 4000),
    ],
)
async def test_awkward_queries_are_answered(house: House, query: str) -> None:
    await puts(house, house.ann, "bees and owls")

    assert (await house.ann.post(SEARCH, {"query": query})).status == 200


async def test_people_find_their_own_and_what_is_shared(house: House) -> None:
    await puts(house, house.ann, "bees of ann")
    await puts(house, house.ann, "bees of all", visibility="shared")

    found = {}
    for name in ("ann", "bob", "vic", "root"):
        answer = await getattr(house, name).post(SEARCH, {"query": "bees"})
        found[name] = sorted(item["text"] for item in answer.json["items"])

    assert found["ann"] == ["bees of all", "bees of ann"]
    assert found["bob"] == found["vic"] == found["root"] == ["bees of all"]


async def test_ids_of_others_and_of_nobody_are_one_answer(house: House) -> None:
    hidden = await puts(house, house.ann, "bees of ann")
    nobodys = str(some_id())

    problems = [
        (await house.bob.post(SEARCH, {"query": "bees", "document_ids": [i]})).as_problem(
            404, "not_found"
        )
        for i in (hidden, nobodys)
    ]

    told = [
        str(p["detail"]).replace(i, "?") for p, i in zip(problems, (hidden, nobodys), strict=True)
    ]
    assert told[0] == told[1]


async def test_scores_do_not_tell_of_what_others_keep_to_themselves(house: House) -> None:
    await puts(house, house.bob, "merger", "weather report")
    before = (await house.bob.post(SEARCH, {"query": "merger weather"})).json

    await puts(house, house.ann, *["merger"] * 10)

    assert (await house.bob.post(SEARCH, {"query": "merger weather"})).json == before


async def test_documents_of_others_are_no_agents_documents(house: House) -> None:
    hidden = await puts(house, house.ann, "bees of ann")
    mine = await puts(house, house.bob, "bees of bob")

    refused = await house.bob.post("/api/v1/agents", {"name": "x", "document_ids": [mine, hidden]})
    chatted = await house.chat(house.bob, document_ids=[hidden])
    agent = await house.agent(house.bob, document_ids=[mine])

    assert refused.as_problem(404, "not_found")["errors"][0]["pointer"] == "#/document_ids/1"
    chatted.as_problem(404, "not_found")
    assert agent["document_ids"] == [mine]


async def test_an_agent_is_changed_though_its_documents_are_gone_or_anothers(house: House) -> None:
    gone, kept = await puts(house, house.ann, "bees"), await puts(house, house.ann, "owls")
    hidden = await puts(house, house.root, "hidden")
    agent = await house.agent(house.ann, document_ids=[gone, kept])
    path = f"/api/v1/agents/{agent['id']}"

    off = await house.root.request("PATCH", path, json={"status": "inactive"})
    other = await house.root.request("PATCH", path, json={"document_ids": [kept, hidden, gone]})
    deleted = await house.ann.request("DELETE", f"/api/v1/documents/{gone}")
    told = await house.ann.request("PATCH", path, json={"description": "of birds"})
    wrong = await house.ann.request("PATCH", path, json={"document_ids": [kept, hidden]})

    assert (off.status, other.status, deleted.status, told.status) == (200, 200, 204, 200)
    assert wrong.status == 200  # an administrator put it there; ann does not see what it says
    assert (await house.ann.post(SEARCH, {"query": "hidden"})).json["items"] == []


async def test_an_agent_is_changed_though_a_document_of_it_is_gone(house: House) -> None:
    ann = house.ann
    gone, there, new = [await puts(house, ann, f"about bees, part {n}") for n in range(3)]
    agent = await house.agent(ann, document_ids=[gone, there])
    path = f"/api/v1/agents/{agent['id']}"
    await ann.request("DELETE", f"/api/v1/documents/{gone}")

    described = await ann.request("PATCH", path, json={"description": "Knows bees."})
    more = await ann.request("PATCH", path, json={"document_ids": [gone, there, new]})
    less = await ann.request("PATCH", path, json={"document_ids": [new]})
    back = await ann.request("PATCH", path, json={"document_ids": [gone]})
    restored = await ann.post(f"{path}/versions/1/restore")

    assert [each.status for each in (described, more, less, restored)] == [200] * 4
    assert less.json["document_ids"] == [new]
    assert restored.json["document_ids"] == [gone, there]
    back.as_problem(404, "not_found")


async def test_an_answer_shows_its_citations(house: House) -> None:
    document_id = await puts(house, house.ann, "The notice period is three months.")
    chunk_id = (await house.ann.post(SEARCH, {"query": "notice"})).json["items"][0]["chunk_id"]
    label = chunk_id.replace("-", "")[-8:]
    house.models.scripts.append(said(f'Long. [[{label}: "three months"]] [[{label}: "a year"]]'))

    answer = await house.chat(house.ann, "notice period?", document_ids=[document_id])

    right, wrong = answer.json["message"]["citations"]
    assert right == {
        "document_id": document_id,
        "filename": "report.txt",
        "chunk_id": chunk_id,
        "page": None,
        "start": 21,
        "end": 33,
        "quote": "three months",
        "verified": True,
    }
    assert (wrong["quote"], wrong["verified"]) == ("a year", False)


async def test_the_tool_is_called_by_hand_within_ones_rights(house: House) -> None:
    await puts(house, house.ann, "bees of ann")
    call = {"name": "document_search", "arguments": {"query": "bees"}}

    mine = await house.ann.post("/api/v1/tools/execute", call)
    theirs = await house.bob.post("/api/v1/tools/execute", call)

    assert [found["text"] for found in mine.json["result"]["passages"]] == ["bees of ann"]
    assert theirs.json["result"]["passages"] == []


async def test_a_key_needs_the_scope_of_documents(house: House) -> None:
    ask = {"name": "k", "scopes": ["chat", "tools:execute", "tasks:write"]}
    made = await house.ann.post("/api/v1/api-keys", ask)
    key = house.nobody.with_token(made.json["secret"])
    call = {"name": "document_search", "arguments": {"query": "bees"}}
    named = {"message": "bees", "document_ids": [str(some_id())]}
    file = {"type": "file", "document_id": str(some_id())}

    for answer in (
        await key.post(SEARCH, {"query": "bees"}),
        await key.post("/api/v1/tools/execute", call),
        await key.post("/api/v1/tasks", {"kind": "tool", "payload": call}),
        await house.chat(key, document_ids=[str(some_id())]),
        await key.post("/api/v1/tasks", {"kind": "chat", "payload": named}),
        await key.post("/api/v1/tasks", {"kind": "chat", "payload": {"message": [file]}}),
        await key.post(
            "/api/v1/schedules", {**SCHEDULE, "task": {"kind": "chat", "payload": named}}
        ),
    ):
        answer.as_problem(403, "scope_missing")
