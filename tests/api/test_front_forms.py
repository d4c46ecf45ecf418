"""`response_format` at the OpenAI front: what is told is what stands in the end."""

from typing import Any

import pytest

from polyagent.adapters.memory.models import said
from tests.api.front import asked, chunks_of, spelled
from tests.api.house import House
from tests.world import called


@pytest.mark.parametrize("first", ['```json\n{"a": 1}\n```', 'Sure: {"a": 1}', '{"a": 1, "b'])
async def test_an_answer_of_a_form_that_was_corrected_is_told_as_it_became(
    house: House, first: str
) -> None:
    ask: Any = {"response_format": {"type": "json_object"}}
    house.models.scripts += [said(first), said('{"a":', " 1}")] * 2

    whole = await asked(house.ann, **ask)
    stream = await asked(house.ann, stream=True, key="k", **ask)
    again = await asked(house.ann, stream=True, key="k", **ask)

    assert whole.json["choices"][0]["message"]["content"] == '{"a": 1}'
    for answer in (stream, again):
        chunks = chunks_of(answer.body)
        assert spelled(chunks) == '{"a": 1}'
        assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


async def test_an_answer_of_a_form_has_none_of_what_an_agent_said_on_the_way(house: House) -> None:
    await house.agent(house.ann, tools=["calculator"])
    *calls, finished = called(("calculator", '{"expression": "6*7"}'))
    script = [[*said("Let me see.")[:-1], *calls, finished], said('{"a": 42}')]
    ask: Any = {"model": "agent/helper", "response_format": {"type": "json_object"}}
    house.models.scripts += script * 2

    whole = await asked(house.ann, **ask)
    stream = await asked(house.ann, stream=True, **ask)

    assert whole.json["choices"][0]["message"]["content"] == '{"a": 42}'
    assert spelled(chunks_of(stream.body)) == '{"a": 42}'
