"""Tools of the client's own, beside those of the agent."""

from typing import Any

import pytest

from polyagent.adapters.memory.models import said
from polyagent.domain.chat import text_of
from polyagent.domain.errors import ModelServiceBroken
from polyagent.domain.model import CallDelta, Finished, ModelInfo
from polyagent.domain.usage import Usage
from tests.api.front import LOOK, answering, asked, calling, chunks_of, error_of, official, user
from tests.api.house import House
from tests.world import called

END = Finished(reason="tool_calls", model="scripted", usage=Usage())
SUM = ("calculator", '{"expression": "6*7"}')


def calls_in(chunks: list[Any]) -> list[dict[str, Any]]:
    """Put calls together as clients do."""
    calls: list[dict[str, Any]] = []
    for chunk in chunks:
        for delta in chunk["choices"][0]["delta"].get("tool_calls", ()):
            if delta["index"] == len(calls):
                calls.append({"id": delta["id"], "name": delta["function"]["name"], "text": ""})
            calls[delta["index"]]["text"] += delta["function"]["arguments"]
    return calls


@pytest.mark.parametrize("model", ["scripted", "agent/helper"])
async def test_a_call_goes_to_the_client_and_its_answer_comes_back(
    house: House, model: str
) -> None:
    await house.agent(house.ann, tools=["calculator"])
    client = official(house, house.ann)
    house.models.scripts += [
        called(("look", '{"q": 1}'), ("look", '{"q": 2}')),
        said("Both are 42."),
    ]
    messages: list[Any] = [user("Look twice.")]

    first = (
        await client.chat.completions.create(model=model, messages=messages, tools=[LOOK])
    ).choices[0]
    messages.append(first.message.model_dump(exclude_none=True))
    messages += [answering(call.id) for call in first.message.tool_calls or ()]
    second = await client.chat.completions.create(model=model, messages=messages, tools=[LOOK])

    assert first.finish_reason == "tool_calls"
    assert first.message.content is None
    assert [call.function.arguments for call in first.message.tool_calls or ()] == [  # type: ignore[union-attr]
        '{"q":1}',
        '{"q":2}',
    ]
    assert second.choices[0].message.content == "Both are 42."
    *_, asking, one, two = house.models.prompts[1].messages
    assert [call.id for call in asking.calls] == [one.tool_call_id, two.tool_call_id]
    assert len({call.id for call in asking.calls}) == 2
    assert text_of(one.parts) == "42"


@pytest.mark.parametrize("model", ["scripted", "agent/helper"])
async def test_calls_are_streamed_with_their_arguments(house: House, model: str) -> None:
    await house.agent(house.ann, tools=["calculator"])
    house.models.scripts.append(
        [
            *said("Let me see.")[:-1],
            *(CallDelta(0, '{"q"', "look"), CallDelta(1, "", "look"), CallDelta(0, ": 1}"), END),
        ]
    )

    chunks = chunks_of((await asked(house.ann, model=model, tools=[LOOK], stream=True)).body)

    calls = calls_in(chunks)
    assert [(call["name"], call["text"].replace(" ", "")) for call in calls] == [
        ("look", '{"q":1}'),
        ("look", "{}"),
    ]
    assert len({call["id"] for call in calls}) == 2
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_agents_own_calls_come_first_and_are_not_shown(house: House, stream: bool) -> None:
    await house.agent(house.ann, tools=["calculator"])
    house.models.scripts += [called(("look", '{"q": 1}'), SUM), called(("look", '{"q": 42}'))]

    answer = await asked(house.ann, model="agent/helper", tools=[LOOK], stream=stream)

    if stream:
        (call,) = calls_in(chunks_of(answer.body))
        name, arguments = call["name"], call["text"]
    else:
        (call,) = answer.json["choices"][0]["message"]["tool_calls"]
        name, arguments = call["function"]["name"], call["function"]["arguments"]
    assert (name, arguments) == ("look", '{"q":42}')
    offered = [tool.name for tool in house.models.prompts[0].tools]
    assert offered == ["calculator", "look"]
    *_, put_off, summed = house.models.prompts[1].messages
    assert "Deferred" in text_of(put_off.parts)
    assert '"result"' in text_of(summed.parts)


async def test_calls_that_are_made_anew_are_told_once(house: House) -> None:
    broken: list[Any] = [CallDelta(0, '{"q"', "look"), ModelServiceBroken("it broke off")]
    house.models.scripts += [broken, called(("look", '{"q": 1}'))]

    (call,) = calls_in(chunks_of((await asked(house.ann, tools=[LOOK], stream=True)).body))

    assert call["text"] == '{"q": 1}'


async def test_a_tool_named_like_one_of_the_agents_is_refused(house: House) -> None:
    await house.agent(house.ann, tools=["calculator"])
    tools = [LOOK, {"type": "function", "function": {"name": "calculator"}}]

    error = error_of(
        await asked(house.ann, model="agent/helper", tools=tools), 400, "invalid_request"
    )

    assert error["param"] == "tools[1].function.name"
    assert (await asked(house.ann, tools=tools)).status == 200


async def test_a_choice_of_tools_is_passed_on(house: House) -> None:
    named = {"type": "function", "function": {"name": "look"}}
    for choice in ("auto", "none", "required", named):
        await asked(house.ann, tools=[LOOK], tool_choice=choice, parallel_tool_calls=False)

    choices = [prompt.tool_choice for prompt in house.models.prompts]
    assert choices == [None, "none", "required", named]
    assert {prompt.parallel_tool_calls for prompt in house.models.prompts} == {False}


async def test_a_model_without_tools_is_not_asked_to_use_any(house: House) -> None:
    house.models._info = ModelInfo(name="m", service="s", window_tokens=8192, tools=False)

    error = error_of(await asked(house.ann, tools=[LOOK]), 400, "tools_refused")

    assert error["param"] == "tools"


async def test_arguments_that_are_no_object_are_told_as_one(house: House) -> None:
    for n, arguments in enumerate(('{"q": 1}', "", "[1]", "nonsense")):
        answer = await asked(house.ann, calling("c1", arguments=arguments), answering("c1"))
        assert answer.status == 200
        told = house.models.prompts[n].messages[0].calls[0].arguments
        assert told == ('{"q": 1}', "{}", *2 * ["{"])[n] or told.startswith('{"not_a_json')


async def test_ids_that_begin_anew_with_each_answer_are_told_apart(house: House) -> None:
    ids = ["call_0", "call_0_1", "call_0", "x" * 40, "x" * 40, "call_0"]
    turns = [message for id_ in ids for message in (calling(id_), answering(id_, id_), user())]
    two = [calling("call_1", "call_0"), answering("call_0", "zero"), answering("call_1", "one")]

    answer = await asked(house.ann, *turns, *two)
    longer = await asked(house.ann, *turns, *two, user("more"))

    assert (answer.status, longer.status) == (200, 200), answer.body
    first, second = (prompt.messages for prompt in house.models.prompts)
    assert second[: len(first)] == first
    pairs = [message for message in first if message.role != "user"]
    made = [call.id for message in pairs for call in message.calls]
    results = {
        message.tool_call_id: text_of(message.parts) for message in pairs if not message.calls
    }
    assert made[:2] == ids[:2]
    assert len(set(made)) == len(made) == len(ids) + 2
    assert max(map(len, made)) <= 40
    assert [results[id_] for id_ in made] == [*ids, "one", "zero"]


async def test_one_id_ten_thousand_times_is_no_work(house: House) -> None:
    turns = [calling("c"), answering("c")] * 5_000

    assert (await asked(house.ann, *turns)).status == 200

    ids = {call.id for message in house.models.prompts[0].messages for call in message.calls}
    assert len(ids) == 5_000
