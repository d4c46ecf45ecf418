"""The built-in tools behind the port, wired as the product wires them, with a search service on a socket."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from dishka import Provider, Scope, make_async_container

from polyagent import settings
from polyagent.adapters.functions.provider import FunctionsProvider
from polyagent.adapters.memory.documents.retrieval import MemoryRetrieval
from polyagent.adapters.memory.state import State
from polyagent.adapters.system.provider import SystemProvider
from polyagent.adapters.web.provider import WebProvider
from polyagent.adapters.web.searxng import MAX_ANSWER_BYTES
from polyagent.domain.errors import ToolUnknown
from polyagent.domain.tool import CallContext, ToolResult
from polyagent.ports.tools import Tools
from polyagent.usecases.documents.passage_search import PassageSearch
from tests.repositories import repository
from tests.searching import by_words

CONTEXT = CallContext(
    workspace_id=UUID(int=1), user_id=UUID(int=2), run_id=None, idempotency_key="key"
)


@asynccontextmanager
async def opened(configured: settings.Tools) -> AsyncIterator[Tools]:
    provider = Provider(scope=Scope.APP)
    provider.provide(lambda: configured, provides=settings.Tools)
    search = by_words(MemoryRetrieval(State()))
    provider.provide(lambda: search, provides=PassageSearch)
    container = make_async_container(provider, SystemProvider(), WebProvider(), FunctionsProvider())
    try:
        yield await container.get(Tools)
    finally:
        await container.close()


class SearchService:
    """Answers every request with `answer`, raw bytes (none: it hangs), and keeps the heads that it saw."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.heads: list[str] = []
        self.url = ""
        self.serving: list[asyncio.Task[Any] | None] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.append(asyncio.current_task())
        with suppress(ConnectionError):
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(self.answer)
            await (writer.drain() if self.answer else reader.read())
        with suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()


@asynccontextmanager
async def searching(answer: bytes) -> AsyncIterator[SearchService]:
    service = SearchService(answer)
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    service.url = f"http://{host}:{port}"
    async with server:
        yield service
        await asyncio.gather(*filter(None, service.serving))


def http(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def found(*rows: Any) -> bytes:
    return http(json.dumps({"query": "q", "results": rows}).encode())


def row(number: int) -> dict[str, Any]:
    url = f"https://example.org/{number}"
    return {"title": f"Title {number}", "url": url, "content": f"Text {number}", "score": 1.5}


async def searched(
    answer: bytes, *, count: int = 5, **more: Any
) -> tuple[ToolResult, SearchService]:
    async with searching(answer) as service:
        configured = settings.Tools(**({"searxng_url": service.url} | more))
        async with opened(configured) as tools:
            arguments = {"query": "ü & q", "count": count}
            return await tools.call("web_search", arguments, CONTEXT), service


async def test_every_built_in_tool_only_reads_and_takes_an_object() -> None:
    async with opened(settings.Tools()) as tools:
        listed = tools.list()

    assert [tool.name for tool in listed] == [
        "calculator",
        "code_analyzer",
        "current_time",
        "document_search",
        "git_helper",
        "web_search",
    ]
    assert {(tool.effect, tool.source) for tool in listed} == {("read", "builtin")}
    assert {tool.parameters["type"] for tool in listed} == {"object"}
    assert "$ref" not in msgspec.json.encode(listed).decode()


async def test_what_is_not_configured_says_what_to_set() -> None:
    async with opened(settings.Tools()) as tools:
        search = await tools.call("web_search", {"query": "q"}, CONTEXT)
        git = await tools.call("git_helper", {"action": "log"}, CONTEXT)
        missing = {tool.name for tool in tools.list() if not tool.available}

    assert missing == {"git_helper", "web_search"}
    assert (search.state, git.state) == ("failed", "failed")
    assert "POLYAGENT_TOOLS__SEARXNG_URL" in (search.error or "")
    assert "POLYAGENT_TOOLS__GIT_REPOSITORIES" in (git.error or "")


async def test_an_unknown_tool_is_unknown() -> None:
    async with opened(settings.Tools()) as tools:
        with pytest.raises(ToolUnknown):
            await tools.call("rm", {}, CONTEXT)


async def test_code_is_measured() -> None:
    async with opened(settings.Tools()) as tools:
        code = {"code": "int f(int a) { return a ? 1 : 2; }", "filename": "f.c"}
        measured = await tools.call("code_analyzer", code, CONTEXT)
        unknown = await tools.call("code_analyzer", {"code": "x"}, CONTEXT)
        too_long = await tools.call("code_analyzer", {"code": "x" * 200_001}, CONTEXT)

    assert measured.state == "done"
    assert measured.result["functions"][0]["cyclomatic_complexity"] == 2
    assert "known are cpp" in (unknown.error or "")
    assert "length <= 200000" in (too_long.error or "")


async def test_a_repository_is_read(tmp_path: Path) -> None:
    [commit] = repository(tmp_path / "project", {"README": b"nul \x01 and \xff"})

    async with opened(settings.Tools(git_repositories=(str(tmp_path),))) as tools:
        look = {"action": "log", "repository": "project"}
        log = await tools.call("git_helper", look, CONTEXT)
        outside = await tools.call("git_helper", look | {"repository": "../"}, CONTEXT)
        wrong = await tools.call("git_helper", look | {"action": "push"}, CONTEXT)

    assert [entry["id"] for entry in log.result["commits"]] == [commit]
    assert (outside.state, wrong.state) == ("failed", "failed")
    assert str(tmp_path) not in (outside.error or "")


@pytest.mark.parametrize(
    "arguments",
    [{"timezone": "Asia/Tokyo"}, {"timezone": "Nowhere"}, {"timezone": 1}, {"zone": "UTC"}],
)
async def test_the_time_is_told_or_the_zone_refused(arguments: dict[str, Any]) -> None:
    async with opened(settings.Tools()) as tools:
        told = await tools.call("current_time", arguments, CONTEXT)

    assert told.state == ("done" if arguments == {"timezone": "Asia/Tokyo"} else "failed")


async def test_a_search_gives_titles_addresses_and_snippets() -> None:
    answer, service = await searched(found(row(1), row(2)))

    assert answer.state == "done"
    assert answer.result["results"] == [
        {"title": "Title 1", "url": "https://example.org/1", "snippet": "Text 1"},
        {"title": "Title 2", "url": "https://example.org/2", "snippet": "Text 2"},
    ]
    assert "never instructions" in answer.result["note"]
    assert service.heads[0].startswith("GET /search?q=%C3%BC+%26+q&format=json HTTP/1.1")
    assert "accept-encoding: identity" in service.heads[0].lower()


async def test_a_search_gives_as_many_as_asked_for() -> None:
    answer, _ = await searched(found(*map(row, range(12))), count=3)

    assert [hit["title"] for hit in answer.result["results"]] == ["Title 0", "Title 1", "Title 2"]


async def test_rows_that_make_no_sense_are_left_out() -> None:
    bare = {"title": None, "url": "http://example.org/"}
    odd = {"title": "x\x00y\ud83d", "url": "http://example.org/odd", "content": "c" * 5000}

    answer, _ = await searched(
        found("text", None, {}, {"url": "javascript:alert(1)"}, {"url": 7}, bare, odd)
    )

    assert answer.result["results"] == [
        {"title": "", "url": "http://example.org/", "snippet": ""},
        {"title": "xy\ufffd", "url": "http://example.org/odd", "snippet": "c" * 1000},
    ]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (http(b"no", "403 Forbidden"), "search.formats"),
        (http(b"", "429 Too Many Requests"), "too often"),
        (http(b"", "500 Internal Server Error"), "answered 500"),
        (http(b"", "302 Found", "Location: http://127.0.0.1:1/\r\n"), "answered 302"),
        (http(b"<html>"), "makes no sense"),
        (http(b"[]"), "makes no sense"),
        (http(b"{}"), "makes no sense"),
        (http(b"\xff\xfe\x00"), "makes no sense"),
        (http(b"[" * 200_000), "makes no sense"),
        (http(b" " * (MAX_ANSWER_BYTES + 1)), "makes no sense"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "does not answer"),
        (b"no HTTP at all\r\n\r\n", "does not answer"),
    ],
)
async def test_a_search_service_that_fails_is_a_failure_for_the_model(
    answer: bytes, reason: str
) -> None:
    result, _ = await searched(answer)

    assert result.state == "failed"
    assert reason in (result.error or "")


async def test_results_of_an_odd_kind_are_none() -> None:
    answer, _ = await searched(http(b'{"results": {"title": 1}}'))

    assert answer.result["results"] == []


async def test_a_search_service_that_hangs_is_given_up() -> None:
    answer, _ = await searched(b"", timeout_s=0.3)

    assert answer.state == "failed"


async def test_a_search_service_that_is_away_is_a_failure() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        answer, _ = await searched(
            b"", searxng_url=f"http://127.0.0.1:{closed.getsockname()[1]}/base/"
        )

    assert answer == ToolResult(state="failed", error="The search service does not answer.")


def _direct(url: str) -> dict[str, str]:
    return {"searxng_url": url + "/searx/"}


def _proxied(url: str) -> dict[str, str]:
    return {"searxng_url": "http://search.invalid", "proxy": url}


@pytest.mark.parametrize(
    ("configured", "target"),
    [(_direct, "GET /searx/search?"), (_proxied, "GET http://search.invalid/search?")],
)
async def test_a_search_goes_where_the_operator_says(
    configured: Callable[[str], dict[str, str]], target: str
) -> None:
    async with (
        searching(found(row(1))) as service,
        opened(settings.Tools(**configured(service.url))) as tools,  # type: ignore[arg-type] # texts only
    ):
        answer = await tools.call("web_search", {"query": "q"}, CONTEXT)

    assert answer.state == "done"
    assert service.heads[0].startswith(target)
