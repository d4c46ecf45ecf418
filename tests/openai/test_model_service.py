"""The scripted service itself: what other suites rely on."""

import asyncio
import sys
from typing import Any

import httpx
import pytest
from httpx_aiohttp import AiohttpTransport

from tests.model_service import ModelService


def body(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"model": "scripted", "messages": [*messages]}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


async def post(service: ModelService, asked: dict[str, Any]) -> httpx.Response:
    async with httpx.AsyncClient(transport=AiohttpTransport(), timeout=60) as client:
        return await client.post(f"{service.url}/chat/completions", json=asked)


async def test_without_a_stream_the_answer_is_one_json(service: ModelService) -> None:
    answer = (await post(service, body(user("say it")))).json()

    assert answer["choices"][0]["message"]["content"] == "it "
    assert answer["usage"]["total_tokens"] == 12


async def test_each_line_of_a_script_is_a_step(service: ModelService) -> None:
    said = user('call look {"q":1}\nsay done')
    first = (await post(service, body(said))).json()["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": first["tool_calls"][0]["id"], "content": "a cat"}

    second = (await post(service, body(said, first, result))).json()

    assert first["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"q":1}'}
    assert second["choices"][0]["message"]["content"] == "done "
    assert service.calls == {said["content"]: 2}


CALL = {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "x"}


@pytest.mark.parametrize(
    "messages",
    [
        [user("a"), CALLED],
        [{"role": "system", "content": "Be brief."}] * 2 + [user("a")],
        [user("a"), CALLED, user("b")],
        [user("a"), RESULT],
        [user("a"), CALLED, RESULT, RESULT],
        [user("a"), CALLED, RESULT, CALLED, RESULT],
        [user("a"), {"role": "assistant", "content": None}],
        [
            user("a"),
            {
                "role": "assistant",
                "tool_calls": [{**CALL, "function": {"name": "look", "arguments": "[]"}}],
            },
            RESULT,
        ],
    ],
)
async def test_the_strict_service_refuses_what_strict_providers_refuse(
    messages: list[dict[str, Any]], service: ModelService
) -> None:
    answer = await post(service, body(*messages))

    assert answer.status_code == 400


async def test_the_strict_service_takes_a_good_conversation(service: ModelService) -> None:
    answer = await post(service, body(user("a"), CALLED, RESULT))

    assert answer.status_code == 200


async def test_it_runs_as_a_process_with_control_routes() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.model_service", "--port", "0", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        root = url.removesuffix("/v1")
        async with httpx.AsyncClient(transport=AiohttpTransport(), timeout=60) as client:
            held = asyncio.ensure_future(
                client.post(f"{url}/chat/completions", json=body(user("hold door")))
            )
            await client.get(f"{root}/arrived/door")
            await client.post(f"{root}/release/door")
            answer = (await held).json()
            counted = (await client.get(f"{root}/calls")).json()
    finally:
        process.terminate()
        await process.wait()

    assert answer["choices"][0]["message"]["content"] == "holding released"
    assert counted == {"hold door": 1}
