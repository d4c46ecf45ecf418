"""What the OpenAI front refuses, and how failures reach its clients."""

import asyncio
from typing import Any

import pytest

from polyagent.adapters.memory.models import said
from polyagent.domain.errors import (
    ContextExceeded,
    ModelServiceBroken,
    ModelServiceRefused,
    ModelServiceUnavailable,
)
from polyagent.domain.model import TextDelta
from tests.api.front import (
    PATH,
    answering,
    asked,
    calling,
    chunks_of,
    decoded,
    error_of,
    spelled,
    user,
)
from tests.api.house import House, lived_in

BROKEN = ModelServiceBroken("it broke off")
FUNCTION = {"name": "look"}


@pytest.mark.parametrize(
    ("param", "ask"),
    [
        ("model", {"model": ""}),
        ("model", {"model": None}),
        ("messages", {"messages": []}),
        ("messages[0].role", {"messages": [{"role": "narrator", "content": "hi"}]}),
        ("messages[0].role", {"messages": [{"content": "hi"}]}),
        ("messages[0]", {"messages": [{"role": "function", "name": "f", "content": "1"}]}),
        ("messages[0].content", {"messages": [user(None)]}),
        ("messages[0].content[0].type", {"messages": [user([{"type": "video"}])]}),
        (
            "messages[0].content[0]",
            {"messages": [user([{"type": "input_audio", "input_audio": {}}])]},
        ),
        ("messages[0].content[0]", {"messages": [user([{"type": "file", "file": {}}])]}),
        ("messages[0].function_call", {"messages": [{"role": "assistant", "function_call": {}}]}),
        ("n", {"n": 5}),
        ("n", {"n": 0}),
        ("functions", {"functions": [FUNCTION]}),
        ("function_call", {"function_call": "auto"}),
        ("temperature", {"temperature": 3}),
        ("max_tokens", {"max_tokens": 0}),
        ("max_completion_tokens", {"max_completion_tokens": 1_000_001}),
        ("stop", {"stop": ["a", "b", "c", "d", "e"]}),
        ("logit_bias", {"logit_bias": {"1": 1000}}),
        ("response_format.type", {"response_format": {"type": "xml"}}),
        ("tools[0].type", {"tools": [{"type": "custom", "custom": FUNCTION}]}),
        ("tools[0].function.name", {"tools": [{"type": "function", "function": {"name": "a b"}}]}),
        ("tools[1].function.name", {"tools": [{"type": "function", "function": FUNCTION}] * 2}),
        ("tool_choice", {"tool_choice": "sometimes"}),
        ("tool_choice", {"tool_choice": "required"}),
        ("tool_choice", {"tool_choice": {"type": "function", "function": FUNCTION}}),
        ("user", {"user": "x" * 201}),
        ("stream", {"stream": "yes"}),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused_with_its_place(
    house: House, param: str, ask: dict[str, Any]
) -> None:
    error = error_of(await asked(house.ann, **ask), 400, "invalid_request")

    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert not house.models.prompts


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/b",
        "data:image/png,abc",
        "data:image/png;base64,####",
        "data:text/html;base64,QQ==",
        "",
    ],
)
async def test_what_is_no_image_is_refused(house: House, url: str) -> None:
    shown = [{"type": "image_url", "image_url": {"url": url}}]

    error = error_of(await asked(house.ann, user(shown)), 400, "invalid_request")

    assert error["param"] == "messages[0].content[0].image_url.url"


@pytest.mark.parametrize(
    ("param", "messages"),
    [
        ("messages[0].tool_call_id", [answering("c1")]),
        ("messages[1]", [calling("c1"), user()]),
        ("messages[0]", [calling("c1")]),
        ("messages[2]", [calling("c1", "c2"), answering("c1"), user()]),
        ("messages[1].tool_call_id", [calling("c1"), answering("c2")]),
        ("messages[2].tool_call_id", [calling("c1"), answering("c1"), answering("c1")]),
        ("messages[0].tool_calls[1].id", [calling("c1", "c1"), answering("c1")]),
        ("messages[1].content[0]", [calling("c1"), answering("c1", [
            {"type": "image_url", "image_url": {"url": "https://a.example/b"}}])]),
    ],
)  # fmt: skip
async def test_each_call_has_its_answer(house: House, param: str, messages: list[Any]) -> None:
    error = error_of(await asked(house.ann, *messages), 400, "invalid_request")

    assert error["param"] == param


async def test_other_errors_have_its_shape_too(house: House) -> None:
    post, get = house.ann.post, house.ann.get
    error_of(await house.nobody.get("/v1/models"), 401, "invalid_api_key")
    error_of(await house.ann.with_token("nonsense").post(PATH, {}), 401, "invalid_api_key")
    error_of(await get("/v1/embeddings"), 404, "not_found")
    error_of(await get("/v1"), 404, "not_found")
    error_of(await get("/v1/models/nobody%00s"), 400, "invalid_request")
    wrong_method = await get(PATH)
    error_of(wrong_method, 405, "method_not_allowed")
    assert "POST" in wrong_method.headers["allow"]
    error_of(await post(PATH, {}, Content_Type="text/plain"), 415, "unsupported_media_type")
    for body in (b"", b"{", b"[1]", b"\xff\xfe", b'{"a": ' + b"[" * 2000):
        answer = await house.ann.request("POST", PATH, content=body)
        error_of(answer, 400, "invalid_request")


async def test_too_much_is_refused() -> None:
    async with lived_in(max_chat_bytes=1000) as house:
        error_of(await asked(house.ann, user("x" * 2000)), 413, "too_large")


async def test_ten_thousand_messages_are_taken_and_more_are_not(house: House) -> None:
    answer = await asked(house.ann, *[user("x")] * 10_000)
    assert answer.status == 200
    assert len(house.models.prompts[0].messages) == 10_000

    error = error_of(await asked(house.ann, *[user("x")] * 10_001), 400, "invalid_request")
    assert error["param"] == "messages"


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (ModelServiceUnavailable("no answer"), 503, "model_service_unavailable"),
        (ModelServiceRefused("it will not"), 400, "model_service_refused"),
        (ContextExceeded("too long"), 400, "context_length_exceeded"),
    ],
)
async def test_a_run_that_fails_before_its_first_word_answers_an_error(
    house: House, fault: Any, status: int, code: str
) -> None:
    for stream in (False, True):
        house.models.scripts.append([fault])

        answer = await asked(house.ann, stream=stream)

        error_of(answer, status, code)
        run = (await house.ann.get(f"/api/v1/runs/{answer.headers['x-run-id']}")).json
        assert run["status"] == "failed"
        assert ("retry-after" in answer.headers) == (status == 503)


async def test_a_run_that_fails_later_says_so_in_the_stream_and_ends_it(house: House) -> None:
    house.models.scripts += [[TextDelta("Half "), BROKEN]] * 3

    answer = await asked(house.ann, stream=True)

    *frames, last, end = answer.body.decode().split("\n\n")
    assert (answer.status, end) == (200, "")
    assert spelled([decoded(frame) for frame in frames]) == "Half "
    assert decoded(last)["error"]["code"] == "model_service_broken"


async def test_what_is_told_anew_is_not_sent_twice(house: House) -> None:
    house.models.scripts += [[TextDelta("One, t"), BROKEN], said("One", ", two, ", "three.")]

    chunks = chunks_of((await asked(house.ann, stream=True)).body)

    assert spelled(chunks) == "One, two, three."
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("second", ["Other words", "One"])
async def test_what_reads_otherwise_when_told_anew_ends_the_stream(
    house: House, second: str
) -> None:
    house.models.scripts += [[TextDelta("One, two"), BROKEN], said(second)]

    answer = await asked(house.ann, stream=True, key="k")
    again = await asked(house.ann, stream=True, key="k")

    *_, last, _ = answer.body.decode().split("\n\n")
    assert decoded(last)["error"]["code"] == "run_resumed"
    assert spelled(chunks_of(again.body)) == second


async def test_a_cancelled_run_is_an_error(house: House) -> None:
    house.models.gate.clear()
    ask = {"model": "scripted", "messages": [user()]}
    task = _spawn(house, ask)
    await house.models.asked.wait()
    (run,) = (await house.ann.get("/api/v1/runs?status=running")).json["items"]

    await house.ann.post(f"/api/v1/runs/{run['id']}/cancel")

    error_of(await task, 400, "cancelled")


async def test_a_process_that_stops_tells_those_who_wait_to_come_back(house: House) -> None:
    house.models.gate.clear()
    for stream in (False, True):
        house.models.asked.clear()
        task = _spawn(house, {"model": "scripted", "messages": [user()], "stream": stream})
        await house.models.asked.wait()
        house.drain.begin()

        answer = await task

        error_of(answer, 503, "stopping")
        assert answer.headers["retry-after"]
        assert answer.headers["x-run-id"]


async def test_a_stream_that_has_begun_says_that_the_process_stops(house: House) -> None:
    house.models.scripts.append([TextDelta("Half "), BROKEN])
    ask = {"model": "scripted", "messages": [user()], "stream": True}
    async with house.ann.exchange("POST", PATH, json=ask) as exchange:
        body = exchange.body()
        house.models.gate.clear()
        first = await anext(body)
        house.drain.begin()

        rest = b"".join([piece async for piece in body])

    house.models.gate.set()
    assert b"Half" in first
    assert decoded(rest.decode().split("\n\n")[-2])["error"]["code"] == "stopping"


async def test_without_a_model_service_agents_are_listed(house: House) -> None:
    async def away() -> Any:
        raise ModelServiceUnavailable("away")

    house.models.list = away  # type: ignore[method-assign]

    ids = [model["id"] for model in (await house.ann.get("/v1/models")).json["data"]]

    assert ids == ["agent/general", "agent/code", "agent/research"]


def _spawn(house: House, ask: dict[str, Any]) -> Any:
    return asyncio.create_task(house.ann.post(PATH, ask))
