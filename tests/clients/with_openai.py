"""The official client for Python: https://github.com/openai/openai-python"""

import asyncio
from typing import Any

import openai
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
    release,
    times_asked,
    user,
)

client = openai.OpenAI(base_url=BASE_URL, api_key=TOKEN, max_retries=0)
chat = client.chat.completions


class City(BaseModel):
    name: str
    people: int


class Look(BaseModel):
    place: str


def text_of(stream: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def answers(message: Any) -> list[Any]:
    """Return the assistant's message, and an answer to each of its calls."""
    return [
        message,
        *(
            {"role": "tool", "tool_call_id": call.id, "content": looked(call.function.arguments)}
            for call in message.tool_calls
        ),
    ]


def test_every_listed_model_is_read_and_answers() -> None:
    ids = [model.id for model in client.models.list()]

    assert {AGENT, MODEL} <= set(ids)
    for id_ in ids:
        assert client.models.retrieve(id_).id == id_
        completion = chat.create(model=id_, messages=[user("say Hello there.")])
        assert (completion.model, completion.choices[0].message.content) == (id_, "Hello there. ")


@each_model
def test_an_answer_as_a_whole(model: str) -> None:
    messages: Any = [
        {"role": "developer", "content": "Be brief."},
        user("Hi"),
        {"role": "assistant", "content": "Hello."},
        user([{"type": "text", "text": "say Hello there."}]),
    ]

    completion = chat.create(model=model, messages=messages, temperature=0, stop=["END"], user="u")

    (choice,) = completion.choices
    assert (choice.finish_reason, choice.message.content) == ("stop", "Hello there. ")
    assert completion.usage is not None
    assert completion.usage.total_tokens == 12


@each_model
def test_a_stream(model: str) -> None:
    stream = chat.create(
        model=model,
        messages=[user("say Hello there.")],
        stream=True,
        stream_options={"include_usage": True},
    )

    *chunks, last = stream
    assert text_of(chunks) == "Hello there. "
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == 12


@each_model
def test_the_stream_helper(model: str) -> None:
    with chat.stream(model=model, messages=[user("say Hello there.")]) as stream:
        events = list(stream)
        final = stream.get_final_completion()

    assert "".join(e.delta for e in events if e.type == "content.delta") == "Hello there. "
    assert final.choices[0].message.content == "Hello there. "


@each_model
def test_the_asynchronous_client(model: str) -> None:
    async def ask() -> tuple[str | None, str]:
        async with openai.AsyncOpenAI(base_url=BASE_URL, api_key=TOKEN) as own:
            messages = [user("say Hello there.")]
            whole = await own.chat.completions.create(model=model, messages=messages)
            async with own.chat.completions.stream(model=model, messages=messages) as stream:
                text = "".join([e.delta async for e in stream if e.type == "content.delta"])
        return whole.choices[0].message.content, text

    assert asyncio.run(ask()) == ("Hello there. ", "Hello there. ")


@each_model
def test_parse_with_a_pydantic_model(model: str) -> None:
    completion = chat.parse(model=model, messages=[user(CITY)], response_format=City)

    assert completion.choices[0].message.parsed == City(name="Paris", people=2_100_000)


@each_model
def test_the_stream_helper_with_a_pydantic_model(model: str) -> None:
    with chat.stream(model=model, messages=[user(CITY)], response_format=City) as stream:
        final = stream.get_final_completion()

    assert final.choices[0].message.parsed == City(name="Paris", people=2_100_000)


@each_model
def test_raw_responses(model: str) -> None:
    ask: Any = {"model": model, "messages": [user("say Hello there.")]}
    raw = chat.with_raw_response.create(**ask)
    with chat.with_streaming_response.create(**ask, stream=True) as response:
        lines = [line for line in response.iter_lines() if line]

    assert raw.headers["x-run-id"]
    assert raw.parse().choices[0].message.content == "Hello there. "
    assert response.headers["x-run-id"]
    assert lines[-1] == "data: [DONE]"


@each_model
def test_reasoning(model: str) -> None:
    ask: Any = {"model": model, "messages": [user("think Let me see.")]}

    message: Any = chat.create(**ask).choices[0].message
    deltas: list[Any] = [chunk.choices[0].delta for chunk in chat.create(**ask, stream=True)]

    assert message.reasoning_content == "Let me see. "
    assert "".join(getattr(d, "reasoning_content", None) or "" for d in deltas) == "Let me see. "


@each_model
def test_an_image(model: str) -> None:
    shown = [
        {"type": "text", "text": "say A dot."},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
    ]

    completion = chat.create(model=model, messages=[user(shown)])

    assert completion.choices[0].message.content == "A dot. "


@each_model
def test_a_loop_of_tools(model: str) -> None:
    messages = [user(f"{TWO_CALLS}\nsay Done.")]

    first = chat.create(model=model, messages=messages, tools=[LOOK]).choices[0]
    messages += answers(first.message)
    second = chat.create(model=model, messages=messages, tools=[LOOK]).choices[0]

    assert (first.finish_reason, len(first.message.tool_calls or ())) == ("tool_calls", 2)
    assert (second.finish_reason, second.message.content) == ("stop", "Done. ")


@each_model
def test_a_loop_of_tools_that_tells_what_they_said(model: str) -> None:
    messages = [user(TWO_CALLS)]

    with chat.stream(model=model, messages=messages, tools=[LOOK]) as stream:
        first = stream.get_final_completion().choices[0]
    messages += answers(first.message)
    with chat.stream(model=model, messages=messages, tools=[LOOK]) as stream:
        second = stream.get_final_completion().choices[0]

    assert first.finish_reason == "tool_calls"
    assert second.message.content == "The tools say: rain sun "


@each_model
def test_tools_as_pydantic_models(model: str) -> None:
    tool = openai.pydantic_function_tool(Look, name="look")
    ask: Any = {"model": model, "messages": [user(TWO_CALLS)], "tools": [tool]}

    whole = chat.parse(**ask)
    with chat.stream(**ask) as stream:
        events = list(stream)
        streamed = stream.get_final_completion()

    for completion in (whole, streamed):
        calls = completion.choices[0].message.tool_calls or ()
        parsed = [call.function.parsed_arguments for call in calls]
        assert parsed == [Look(place="Paris"), Look(place="Rome")]
    done = [e for e in events if e.type == "tool_calls.function.arguments.done"]
    assert [event.parsed_arguments for event in done] == parsed


def test_tools_beside_those_of_an_agent() -> None:
    messages = [user(AMONG_OURS)]

    first = chat.create(model=AGENT, messages=messages, tools=[LOOK]).choices[0]
    messages += answers(first.message)
    second = chat.create(model=AGENT, messages=messages, tools=[LOOK]).choices[0]

    assert (second.finish_reason, second.message.content) == ("stop", "Done. ")


@each_model
def test_a_choice_of_tools(model: str) -> None:
    forced: Any = {"type": "function", "function": {"name": "look"}}
    ask: Any = {"model": model, "messages": [user(TWO_CALLS)], "tools": [LOOK]}

    for choice in ("required", forced):
        completion = chat.create(**ask, tool_choice=choice, parallel_tool_calls=True)
        assert completion.choices[0].finish_reason == "tool_calls"


def test_a_wrong_key_is_an_authentication_error() -> None:
    with pytest.raises(openai.AuthenticationError) as error:
        client.with_options(api_key="wrong").models.list()

    assert error.value.code == "invalid_api_key"


def test_an_unknown_model_is_not_found() -> None:
    for model in ("agent/nobody", "nobody"):
        with pytest.raises(openai.NotFoundError) as error:
            chat.create(model=model, messages=[user("Hi")])
        assert error.value.code == "model_not_found"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve(model)


@each_model
def test_five_answers_are_a_bad_request(model: str) -> None:
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as error:
            chat.create(model=model, messages=[user("Hi")], n=5, stream=stream)
        assert error.value.param == "n"


@each_model
def test_too_long_a_conversation_is_a_bad_request(model: str) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        chat.create(model=model, messages=[user(TOO_LONG)])

    assert error.value.code == "context_length_exceeded"


@each_model
def test_a_stream_that_breaks_is_an_error(model: str) -> None:
    # its first major version leaves such a stream open, which may block the pool when it is collected
    stream = chat.create(model=model, messages=[user("reset")], stream=True)

    with stream, pytest.raises(openai.APIError) as error:
        list(stream)
    assert error.value.code


@each_model
def test_a_key_replays(model: str) -> None:
    name, message = named("say Once.")
    ask: Any = {"model": model, "messages": [user(message)]}
    ask["extra_headers"] = {"Idempotency-Key": name}

    first, again = (chat.with_raw_response.create(**ask) for _ in range(2))
    stream = chat.create(**ask, stream=True)

    assert first.headers["x-run-id"] == again.headers["x-run-id"]
    assert again.headers["idempotent-replayed"] == "true"
    assert first.parse() == again.parse()
    assert text_of(stream) == again.parse().choices[0].message.content
    assert times_asked(message) == 1


@each_model
def test_a_key_leads_back_to_an_answer_that_was_not_waited_for(model: str) -> None:
    name, message = named("hold")
    ask: Any = {"model": model, "messages": [user(message)]}
    ask["extra_headers"] = {"Idempotency-Key": name}

    with pytest.raises(openai.APITimeoutError):
        chat.create(**ask, timeout=0.5)
    release(name)
    again = chat.create(**ask)

    assert again.choices[0].message.content == "holding released"
    assert times_asked(message) == 1
