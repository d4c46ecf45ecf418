"""LangChain's ChatOpenAI: https://docs.langchain.com/oss/python/integrations/chat/openai"""

import asyncio
from functools import reduce
from operator import add
from typing import Any

import openai
import pytest
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from tests.clients.asked import (
    AGENT,
    AMONG_OURS,
    BASE_URL,
    CITY,
    MODEL,
    PIXEL,
    TOKEN,
    TOO_LONG,
    TWO_CALLS,
    WEATHER,
    each_model,
    named,
    times_asked,
)


class City(BaseModel):
    """A city."""

    name: str
    people: int


def weather(place: str) -> str:
    """Look how the weather is."""
    return WEATHER[place]


look = tool("look")(weather)


def chat(model: str, **more: Any) -> ChatOpenAI:
    settings: dict[str, Any] = {"base_url": BASE_URL, "api_key": TOKEN, "max_retries": 0, **more}
    return ChatOpenAI(model=model, **settings)


@each_model
def test_an_answer_as_a_whole(model: str) -> None:
    messages = [
        SystemMessage("Be brief."),
        HumanMessage("Hi"),
        AIMessage("Hello."),
        HumanMessage("say Hello there."),
    ]

    answer = chat(model, temperature=0, max_tokens=50).invoke(messages, stop=["END"])

    assert answer.content == "Hello there. "
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["total_tokens"] == 12
    assert answer.response_metadata["finish_reason"] == "stop"


@each_model
def test_a_stream(model: str) -> None:
    chunks = list(chat(model, stream_usage=True).stream("say Hello there."))

    whole = reduce(add, chunks)
    assert whole.content == "Hello there. "
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["total_tokens"] == 12


def test_the_asynchronous_calls() -> None:
    async def all_of_them() -> None:  # in one loop: connections are kept for all of the process
        for model in (AGENT, MODEL):
            whole = await chat(model).ainvoke("say Hello there.")
            pieces = [str(chunk.content) async for chunk in chat(model).astream("say Hello there.")]
            assert whole.content == "".join(pieces) == "Hello there. "

    asyncio.run(all_of_them())


@each_model
def test_several_at_once(model: str) -> None:
    answers = chat(model).batch([f"say Number {n}." for n in range(5)])

    assert [answer.content for answer in answers] == [f"Number {n}. " for n in range(5)]


@each_model
def test_an_image(model: str) -> None:
    shown: list[Any] = [
        {"type": "text", "text": "say A dot."},
        {"type": "image_url", "image_url": {"url": PIXEL}},
    ]

    assert chat(model).invoke([HumanMessage(shown)]).content == "A dot. "


@each_model
@pytest.mark.parametrize(
    ("method", "script"),
    [
        ("json_schema", CITY),
        ("json_mode", CITY),
        ("function_calling", 'calls City {"name": "Paris", "people": 2100000}'),
    ],
)
def test_structured_output(model: str, method: Any, script: str) -> None:
    structured = chat(model).with_structured_output(City, method=method)

    assert structured.invoke(script) == City(name="Paris", people=2_100_000)
    assert list(structured.stream(script))[-1] == City(name="Paris", people=2_100_000)


@each_model
@pytest.mark.parametrize("streamed", [False, True])
def test_a_loop_of_tools(model: str, streamed: bool) -> None:
    bound = chat(model).bind_tools([look])
    messages: list[Any] = [HumanMessage(TWO_CALLS)]

    def turn() -> AIMessage:
        return reduce(add, bound.stream(messages)) if streamed else bound.invoke(messages)

    first = turn()
    messages += [first, *(look.invoke(call) for call in first.tool_calls)]
    second = turn()

    assert [call["args"] for call in first.tool_calls] == [{"place": "Paris"}, {"place": "Rome"}]
    assert second.content == "The tools say: rain sun "


def test_tools_beside_those_of_an_agent() -> None:
    bound = chat(AGENT).bind_tools([look])
    messages: list[Any] = [HumanMessage(AMONG_OURS)]

    first = bound.invoke(messages)
    messages += [first, *(look.invoke(call) for call in first.tool_calls)]

    assert bound.invoke(messages).content == "Done. "


@each_model
def test_a_choice_of_tools(model: str) -> None:
    for choice in ("any", "look"):
        bound = chat(model).bind_tools([look], tool_choice=choice, parallel_tool_calls=True)
        assert len(bound.invoke(TWO_CALLS).tool_calls) == 2


def test_a_wrong_key_is_an_authentication_error() -> None:
    with pytest.raises(openai.AuthenticationError):
        chat(AGENT, api_key="wrong").invoke("Hi")


def test_an_unknown_model_is_not_found() -> None:
    for model in ("agent/nobody", "nobody"):
        with pytest.raises(openai.NotFoundError):
            chat(model).invoke("Hi")


@each_model
def test_five_answers_are_a_bad_request(model: str) -> None:
    with pytest.raises(openai.BadRequestError):
        chat(model, n=5).invoke("Hi")


@each_model
def test_too_long_a_conversation_is_an_error_of_its_own(model: str) -> None:
    with pytest.raises(ContextOverflowError):
        chat(model).invoke(TOO_LONG)


@each_model
def test_a_stream_that_breaks_is_an_error(model: str) -> None:
    with pytest.raises(openai.APIError):
        list(chat(model).stream("reset"))


@each_model
def test_a_key_replays(model: str) -> None:
    name, message = named("say Once.")
    kept = chat(model, include_response_headers=True)
    headers = {"Idempotency-Key": name}

    first, again = (kept.invoke(message, extra_headers=headers) for _ in range(2))
    streamed: Any = reduce(add, kept.stream(message, extra_headers=headers))

    told = [answer.response_metadata["headers"] for answer in (first, again, streamed)]
    assert len({headers["x-run-id"] for headers in told}) == 1
    assert told[1]["idempotent-replayed"] == told[2]["idempotent-replayed"] == "true"
    assert first.content == again.content == streamed.content
    assert times_asked(message) == 1
