"""What was used, as clients read it."""

import asyncio
import json
from datetime import datetime
from typing import Any
from urllib.parse import quote

import pytest
from dishka import Provider, Scope, provide

from polyagent.adapters.memory.runs.usage import MemoryUsageBook
from polyagent.adapters.memory.state import State
from polyagent.domain.account import Actor
from polyagent.domain.usage import UsageAsk, UsageReport
from polyagent.ports.models import Models
from polyagent.ports.usage import UsageBook
from polyagent.usecases.usage import AT_ONCE
from tests.api.client import LIMIT_S, Client
from tests.api.front import asked, user
from tests.api.house import SETTINGS, House
from tests.model_service import ModelService
from tests.openai.caller import caller

USAGE = "/api/v1/stats/usage"
SUMS = {
    *("runs", "calls", "input_tokens", "cached_input_tokens", "output_tokens"),
    *("reasoning_tokens", "total_tokens", "estimated_tokens", "cost"),
}


async def _reads(client: Client, query: str = "") -> Any:
    answer = await client.get(f"{USAGE}?{query}")
    assert answer.status == 200, answer.body
    return answer.json


class SlowBook(Provider):
    """Reads when it is told to, and knows how many it reads for at once."""

    scope = Scope.APP
    override = True

    def __init__(self) -> None:
        super().__init__()
        self.reading = self.most = 0
        self.go_on = asyncio.Event()
        self.is_begun = asyncio.Event()

    @provide
    def book(self) -> UsageBook:
        return self

    async def read(
        self, actor: Actor, ask: UsageAsk, begin: datetime, end: datetime
    ) -> UsageReport:
        self.reading += 1
        self.most = max(self.most, self.reading)
        self.is_begun.set()
        await self.go_on.wait()
        self.reading -= 1
        return await MemoryUsageBook(State()).read(actor, ask, begin, end)


async def test_few_read_at_once_and_chats_are_answered_meanwhile() -> None:
    book = SlowBook()
    async with House(SETTINGS, book).open() as house:
        reading = [asyncio.create_task(house.ann.get(USAGE)) for _ in range(20)]
        async with asyncio.timeout(LIMIT_S):
            await book.is_begun.wait()
        chat = await house.chat(house.bob)
        book.go_on.set()
        answers = await asyncio.gather(*reading)

    assert book.most == AT_ONCE
    assert chat.status == 200
    assert {answer.status for answer in answers} == {200}


async def test_what_chats_used_is_told_by_day(house: House) -> None:
    for _ in range(2):
        await house.chat(house.ann)

    told = await _reads(house.ann)

    (today,) = told["items"]
    assert set(told) == {"items", "total", "from", "to", "next_cursor"}
    assert set(told["total"]) == SUMS
    assert set(today) == {"day", *SUMS}
    assert today["day"] == told["to"][:10]
    assert (today["runs"], today["calls"], today["cost"]) == (2, 2, None)
    assert told["total"] == {name: today[name] for name in SUMS}
    assert told["from"].endswith("Z")


@pytest.mark.parametrize(
    ("by", "field"),
    [("agent", "agent_id"), ("model", "model"), ("user", "user_id"), ("end_user", "end_user")],
)
async def test_groups_are_named_by_what_they_are_of(house: House, by: str, field: str) -> None:
    await house.chat(house.ann, end_user="kim")

    (group,) = (await _reads(house.ann, f"group_by={by}"))["items"]

    profile = (await house.ann.get("/api/v1/users/profile")).json
    agent = (await house.ann.get("/api/v1/agents?limit=100")).json["items"]
    general = next(each["id"] for each in agent if each["type"] == "general")
    expected = {
        "agent": (general, "general"),
        "model": ("scripted", None),
        "user": (profile["id"], "ann"),
        "end_user": ("kim", None),
    }
    assert set(group) == {field, *SUMS} | ({"name"} if by in ("agent", "user") else set())
    assert (group[field], group.get("name")) == expected[by]


async def test_completions_of_bare_models_and_of_agents_count_too(house: House) -> None:
    for model in ("scripted", "agent/general"):
        answer = await asked(house.ann, user(), model=model)
        assert answer.status == 200, answer.body

    assert (await _reads(house.ann))["total"]["runs"] == 2


async def test_nobody_reads_what_others_used_but_administrators(house: House) -> None:
    await house.chat(house.ann, end_user="kim")
    ann = (await house.ann.get("/api/v1/users/profile")).json["id"]

    for query in (f"user_id={ann}", "end_user=kim", "group_by=user", ""):
        bobs = await _reads(house.bob, query)
        roots = await _reads(house.root, query)
        assert (bobs["items"], bobs["total"]["runs"], roots["total"]["runs"]) == ([], 0, 1)


async def test_a_key_of_an_administrator_without_that_scope_reads_its_own(house: House) -> None:
    await house.chat(house.ann)
    keys = [
        (await house.root.post("/api/v1/api-keys", {"name": "x", "scopes": scopes})).json["secret"]
        for scopes in (["chat"], ["chat", "admin"], ["agents:read"])
    ]

    own, all_, none = [await house.nobody.with_token(key).get(USAGE) for key in keys]

    assert (own.json["total"]["runs"], all_.json["total"]["runs"]) == (0, 1)
    none.as_problem(403, "scope_missing")


async def test_what_was_used_is_told_when_its_session_is_gone(house: House) -> None:
    session = (await house.chat(house.ann)).json["session_id"]

    await house.ann.request("DELETE", f"/api/v1/chat/sessions/{session}")

    assert (await _reads(house.ann))["total"]["runs"] == 1


@pytest.mark.parametrize(
    ("query", "begin", "end"),
    [
        ("from=2026-01-31&to=2026-01-31", "2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z"),
        (
            "from=2026-01-31T10:00:00%2B02:00&to=2026-02-01T00:00:00.5Z",
            "2026-01-31T08:00:00Z",
            "2026-02-01T00:00:00.500000Z",
        ),
        ("to=2026-01-31", "2026-01-02T00:00:00Z", "2026-02-01T00:00:00Z"),
        ("from=2024-01-01&to=2024-12-31", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
        (
            "from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00Z",
        ),
    ],
)
async def test_times_are_days_or_instants(house: House, query: str, begin: str, end: str) -> None:
    told = await _reads(house.ann, query)

    assert (told["from"], told["to"]) == (begin, end)


@pytest.mark.parametrize(
    "query",
    [
        "from=2026-02-01&to=2026-01-01",
        "from=2999-01-01",
        "from=2020-01-01&to=2026-01-01",
        "from=0001-01-01",
        "to=0001-01-01",
        "to=9999-12-31",
        f"from={quote('9999-12-31T23:59:59-01:00')}",
        f"to={quote('0001-01-01T00:00:00+01:00')}",
        f"to={quote('9999-12-31T23:59:59-01:00')}&from=9999-12-31",
        "from=2026-01-01T00:00:00",
        "from=2026-01-01T00:00:00+01:00",
        "from=2026-01-01T00:00:60Z",
        "from=2026-13-01",
        "from=2026-02-30",
        "from=",
        "to=yesterday",
        "from=1767225600",
        "from=2026%2D01%2D01%00",
        f"from={quote('２０２６-01-01')}",
        "group_by=hour",
        "group_by=",
        "agent_id=x",
        "user_id=x",
        f"end_user={'x' * 201}",
        "limit=0",
        "cursor=x",
    ],
)
async def test_what_makes_no_sense_is_refused(house: House, query: str) -> None:
    answer = await house.ann.get(f"{USAGE}?{query}")

    code = "cursor_invalid" if query == "cursor=x" else "invalid_request"
    assert answer.as_problem(400, code)["detail"]


async def test_pages_lead_on_over_the_time_of_the_first(house: House) -> None:
    for name in ("a", "b", "c"):
        await house.chat(house.ann, end_user=name)
    seen, path = list[str](), f"{USAGE}?group_by=end_user&limit=1&order=asc"

    while path:
        answer = await house.ann.get(path)
        assert answer.json["total"]["runs"] == 3
        seen += [group["end_user"] for group in answer.json["items"]]
        await house.chat(house.ann, end_user="late")
        path = answer.headers.get("link", "").partition(">")[0].removeprefix("<")

    assert seen == ["a", "b", "c"]


async def test_a_running_total_of_a_service_is_no_summand() -> None:
    said = [{"content": "x"}, {"content": "y"}]
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in said]
    for chunk, made in zip(chunks, (10, 50), strict=True):
        chunk["usage"] = {"prompt_tokens": 7, "completion_tokens": made}  # type: ignore[assignment]
    chunks += [
        {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 100}},  # type: ignore[dict-item]
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": None},  # type: ignore[dict-item]
    ]
    lines = [f"data: {json.dumps(chunk)}" for chunk in chunks]
    async with ModelService() as service, caller(service.url) as models:
        given = Provider(scope=Scope.APP)
        given.provide(lambda: models, provides=Models)
        async with House(SETTINGS, given).open() as house:
            answer = await house.chat(house.ann, f"stub {json.dumps(lines)}")
            run = (await house.ann.get(f"/api/v1/runs/{answer.json['run_id']}")).json
            total = (await _reads(house.ann))["total"]

    for told in (run["usage"], total):
        assert (told["input_tokens"], told["output_tokens"], told["total_tokens"]) == (7, 100, 107)
    assert total["estimated_tokens"] == 0
