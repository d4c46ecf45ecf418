"""LiteLLM: https://docs.litellm.ai/docs/providers/openai_compatible"""

import asyncio
from typing import Any

import litellm
import pytest
from pydantic import BaseModel

from tests.clients.asked import (
    AGENT,
    AMONG_OURS,
    BASE_URL,
    CITY,
    LOOK,
    MODEL,
    PIXEL,
    TOKEN,
    TOO_LONG,
    TWO_CALLS,
    each_model,
    looked,
    named,
    times_asked,
    user,
)


class City(BaseModel):
    name: str
    people: int


def asks(model: str, *messages: Any, **more: Any) -> dict[str, Any]:
    told = {"model": f"openai/{model}", "messages": [*messages], "max_retries": 0}
    return {**told, "api_base": BASE_URL, "api_key": TOKEN, **more}


def ask(model: str, *messages: Any, **more: Any) -> Any:
    return litellm.completion(**asks(model, *messages, **more))


def together(stream: Any) -> Any:
    return litellm.stream_chunk_builder(list(stream))


def answers(message: Any) -> list[Any]:
    """Return the assistant's message, and an answer to each of its calls."""
    return [
        message,
        *(
            {"role": "tool", "tool_call_id": call.id, "content": looked(call.function.arguments)}
            for call in message.tool_calls
        ),
    ]


def test_the_models_are_listed() -> None:
    listed = litellm.get_valid_models(
        check_provider_endpoint=True,
        custom_llm_provider="openai",
        api_key=TOKEN,
        api_base=BASE_URL.removesuffix("/v1"),
    )

    assert {AGENT, MODEL} <= set(listed)


@each_model
def test_an_answer_as_a_whole(model: str) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        user("Hi"),
        {"role": "assistant", "content": "Hello."},
        user("say Hello there."),
    ]

    completion = ask(model, *messages, temperature=0, stop=["END"], user="u", max_tokens=50)

    (choice,) = completion.choices
    assert (choice.finish_reason, choice.message.content) == ("stop", "Hello there. ")
    assert completion.usage.total_tokens == 12


@each_model
def test_a_stream(model: str) -> None:
    stream = ask(
        model, user("say Hello there."), stream=True, stream_options={"include_usage": True}
    )

    whole = together(stream)
    assert whole.choices[0].message.content == "Hello there. "
    assert (whole.choices[0].finish_reason, whole.usage.total_tokens) == ("stop", 12)


@each_model
def test_the_asynchronous_calls(model: str) -> None:
    async def both() -> tuple[str, str]:
        asked = asks(model, user("say Hello there."))
        whole = await litellm.acompletion(**asked)
        stream = await litellm.acompletion(**asked, stream=True)
        return whole.choices[0].message.content, "".join(
            [chunk.choices[0].delta.content or "" async for chunk in stream]
        )

    assert asyncio.run(both()) == ("Hello there. ", "Hello there. ")


@each_model
def test_a_pydantic_model(model: str) -> None:
    completion = ask(model, user(CITY), response_format=City)

    text = completion.choices[0].message.content
    assert City.model_validate_json(text) == City(name="Paris", people=2_100_000)


@each_model
def test_reasoning(model: str) -> None:
    whole = ask(model, user("think Let me see."))
    streamed = together(ask(model, user("think Let me see."), stream=True))

    for completion in (whole, streamed):
        assert completion.choices[0].message.reasoning_content == "Let me see. "


@each_model
def test_an_image(model: str) -> None:
    shown = [
        {"type": "text", "text": "say A dot."},
        {"type": "image_url", "image_url": {"url": PIXEL}},
    ]

    assert ask(model, user(shown)).choices[0].message.content == "A dot. "


@each_model
@pytest.mark.parametrize("stream", [False, True])
def test_a_loop_of_tools(model: str, stream: bool) -> None:
    asked = [user(TWO_CALLS)]

    def turn() -> Any:
        answer = ask(model, *asked, tools=[LOOK], stream=stream)
        return (together(answer) if stream else answer).choices[0]

    first = turn()
    asked += answers(first.message)
    second = turn()

    assert (first.finish_reason, len(first.message.tool_calls)) == ("tool_calls", 2)
    assert second.message.content == "The tools say: rain sun "


def test_tools_beside_those_of_an_agent() -> None:
    asked = [user(AMONG_OURS)]

    asked += answers(ask(AGENT, *asked, tools=[LOOK]).choices[0].message)
    second = ask(AGENT, *asked, tools=[LOOK]).choices[0]

    assert (second.finish_reason, second.message.content) == ("stop", "Done. ")


def test_a_wrong_key_is_an_authentication_error() -> None:
    with pytest.raises(litellm.AuthenticationError):
        ask(AGENT, user("Hi"), api_key="wrong")


def test_an_unknown_model_is_not_found() -> None:
    for model in ("agent/nobody", "nobody"):
        with pytest.raises(litellm.NotFoundError):
            ask(model, user("Hi"))


@each_model
def test_five_answers_are_a_bad_request(model: str) -> None:
    for stream in (False, True):
        with pytest.raises(litellm.BadRequestError):
            ask(model, user("Hi"), n=5, stream=stream)


@each_model
def test_too_long_a_conversation_is_an_error_of_its_own(model: str) -> None:
    with pytest.raises(litellm.ContextWindowExceededError):
        ask(model, user(TOO_LONG))


@each_model
def test_a_stream_that_breaks_is_an_error(model: str) -> None:
    stream = ask(model, user("reset"), stream=True)

    with pytest.raises(litellm.exceptions.MidStreamFallbackError):
        list(stream)


@each_model
def test_a_key_replays(model: str) -> None:
    name, message = named("say Once.")
    headers = {"Idempotency-Key": name}

    first, again = (ask(model, user(message), extra_headers=headers) for _ in range(2))
    streamed = together(ask(model, user(message), extra_headers=headers, stream=True))

    assert first.id == again.id == streamed.id
    texts = {c.choices[0].message.content for c in (first, again, streamed)}
    assert texts == {f"Once. {name} "}
    assert times_asked(message) == 1
