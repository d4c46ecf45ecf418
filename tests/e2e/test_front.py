"""The official OpenAI client with a real server, which may die in the middle of an answer."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.e2e.server import Up, eventually
from tests.e2e.test_deaths import pid_of

LOOK: Any = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def user(content: str) -> Any:
    return {"role": "user", "content": content}


def official(up: Up) -> openai.OpenAI:
    http = httpx.Client(trust_env=False)
    return openai.OpenAI(
        api_key=up.token(), base_url=f"{up.url}/v1", http_client=http, max_retries=0
    )


@pytest.fixture
def own(model_service: str) -> Iterator[Up]:
    with Up(model_service) as server:
        yield server


def text_of(stream: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def test_models_and_agents_are_asked_in_chunks_and_as_a_whole(up: Up) -> None:
    with official(up) as client:
        ids = [model.id for model in client.models.list()]
        assert "agent/general" in ids
        for model in ids:
            whole = client.chat.completions.create(model=model, messages=[user("say hi there")])
            assert whole.choices[0].message.content == "hi there "
            stream = client.chat.completions.create(
                model=model,
                messages=[user("say hi there")],
                stream=True,
                stream_options={"include_usage": True},
            )
            *chunks, last = stream
            assert text_of(chunks) == "hi there "
            assert (last.choices, last.usage.total_tokens) == ([], 12)  # type: ignore[union-attr]


def test_a_conversation_with_tools_is_one_that_strict_services_take(up: Up) -> None:
    script = (
        'calls look {"q": 1} ; look {"q": 2}\ncalls calculator {"expression": "6*7"}\nsay Done.'
    )
    messages = [user(script)]
    with official(up) as client:
        first = client.chat.completions.create(
            model="agent/general", messages=messages, tools=[LOOK]
        ).choices[0]
        calls = first.message.tool_calls or []
        messages.append(first.message.model_dump(exclude_none=True))
        messages += [{"role": "tool", "tool_call_id": call.id, "content": "42"} for call in calls]
        second = client.chat.completions.create(
            model="agent/general", messages=messages, tools=[LOOK]
        ).choices[0]

    assert (first.finish_reason, len(calls)) == ("tool_calls", 2)
    assert (second.finish_reason, second.message.content) == ("stop", "Done. ")


def test_an_answer_outlives_the_gateway_that_was_killed(
    own: Up, model_control: httpx.Client
) -> None:
    ask: Any = {
        "model": "agent/general",
        "messages": [user("hold front")],
        "stream": True,
        "extra_headers": {"Idempotency-Key": "once"},
    }
    with official(own) as client:
        stream = client.chat.completions.create(**ask)
        assert (
            next(text for chunk in stream if (text := chunk.choices[0].delta.content)) == "holding "
        )
        run_id = stream.response.headers["x-run-id"]
        os.kill(pid_of(own, "polyagent serve"), signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            list(stream)
        model_control.post("/release/front")

        def again() -> Any:
            try:
                stream = client.chat.completions.create(**ask)
                return stream.response.headers, text_of(stream)
            except openai.APIConnectionError:
                return None

        headers, text = eventually("another gateway answers", again)

    assert (headers["x-run-id"], headers["idempotent-replayed"]) == (run_id, "true")
    assert text == "holding released"
