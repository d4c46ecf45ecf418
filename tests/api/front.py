"""What the tests of the OpenAI front share: the official client, requests by hand, and chunks read raw."""

from typing import Any

import httpx
import msgspec
import openai

from tests.api.client import Answer, Client
from tests.api.house import House

PATH = "/v1/chat/completions"
LOOK: Any = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def official(house: House, client: Client) -> openai.AsyncOpenAI:
    transport = httpx.ASGITransport(house.app)  # type: ignore[arg-type]  # other names for the same
    return openai.AsyncOpenAI(
        api_key=client.token,
        base_url="http://127.0.0.1/v1",
        max_retries=0,
        http_client=httpx.AsyncClient(transport=transport),
    )


def user(content: Any = "hi") -> dict[str, Any]:
    return {"role": "user", "content": content}


def calling(*ids: str, arguments: str = "{}") -> dict[str, Any]:
    function = {"name": "look", "arguments": arguments}
    calls = [{"id": id_, "type": "function", "function": function} for id_ in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def answering(id_: str, content: Any = "42") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": content}


async def asked(client: Client, /, *messages: Any, key: str | None = None, **ask: Any) -> Answer:
    headers = {"Idempotency_Key": key} if key else {}
    body = {"model": "scripted", "messages": messages or [user()], **ask}
    return await client.post(PATH, body, **headers)


def error_of(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """Check that this is an error in OpenAI's shape, and return it."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json) == {"error"}
    error: dict[str, Any] = answer.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code
    assert error["message"]
    return error


def chunks_of(body: bytes) -> list[Any]:
    """Return the chunks of a stream, which has nothing but data and comments, and ends with [DONE]."""
    *frames, last, end = body.decode().split("\n\n")
    assert (last, end) == ("data: [DONE]", "")
    return [decoded(frame) for frame in frames if frame != ": ping"]


def decoded(frame: str) -> Any:
    assert frame.startswith("data: ")
    assert "\n" not in frame
    return msgspec.json.decode(frame.removeprefix("data: "))


def spelled(chunks: list[Any]) -> str:
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)
