"""Answers of a form that was asked for."""

from typing import Any

import pytest

from polyagent.adapters.memory.models import said
from polyagent.domain.chat import text_of
from polyagent.domain.context import cut
from polyagent.domain.event import (
    MessageCompleted,
    RunCompleted,
    RunFailed,
    RunResumed,
    UsageReported,
)
from polyagent.domain.model import Finished, ModelInfo, TextDelta
from polyagent.domain.response_format import JsonObject, JsonSchema, NamedSchema, PlainText
from polyagent.domain.run import RunDefaults
from polyagent.domain.usage import Usage
from tests.unit.test_execute_run import only, spoken
from tests.world import called, living

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}
WEATHER = JsonSchema(NamedSchema(name="weather", schema=SCHEMA))
GOOD = '{"city": "Bern", "degrees": 7}'


async def test_an_answer_that_fits_stands_as_it_is() -> None:
    async with living() as world:
        world.models.scripts.append(said(GOOD))

        story = await world.story((await world.asks("weather?", response_format=WEATHER)).run)

    assert only(story, RunResumed) == []
    assert only(story, MessageCompleted)[0].message.content == GOOD
    assert world.models.prompts[0].response_format == WEATHER


@pytest.mark.parametrize(
    ("wanted", "bad", "fault"),
    [
        (WEATHER, "It is 7 degrees in Bern.", "no JSON"),
        (WEATHER, f"```json\n{GOOD}\n```", "no JSON"),
        (WEATHER, GOOD[:-1], "no JSON"),
        (
            WEATHER,
            '{"city": "Bern", "degrees": "7"}',
            '#/degrees: The value is not of type "integer"',
        ),
        (WEATHER, '{"city": "Bern"}', '"degrees" is a required property'),
        (WEATHER, "[" * 20_000, "no JSON"),
        (JsonObject(), "[1]", "no JSON object"),
        (JsonObject(), "7", "no JSON object"),
    ],
)
async def test_an_answer_that_does_not_fit_is_voided_and_the_model_told_why(
    wanted: Any, bad: str, fault: str
) -> None:
    async with living() as world:
        world.models.scripts += [said(bad), said(GOOD)]

        admitted = await world.asks("weather?", response_format=wanted)
        story = await world.story(admitted.run)
        messages = await world.messages(admitted.run.session_id)
        run = await world.manage.get(world.actor, admitted.run.id)

    assert only(story, RunResumed) == [RunResumed(2, "retry", 1)]
    assert [message.content for message in messages] == ["weather?", GOOD]
    _, asked, wrong, note = world.models.prompts[1].messages
    assert text_of(asked.parts) == "weather?"
    assert (wrong.role, text_of(wrong.parts)) == ("assistant", cut(bad, 500))
    assert note.role == "user"
    assert fault in text_of(note.parts)
    spent = [body.usage for body in only(story, UsageReported)]
    assert len(spent) == 2
    assert run.usage == spent[0] + spent[1] == only(story, RunCompleted)[0].usage


async def test_after_two_more_tries_the_run_fails_and_keeps_the_last_text() -> None:
    async with living() as world:
        world.models.scripts += [said("one"), said("two"), said("three"), said(GOOD)]

        admitted = await world.asks("weather?", response_format=WEATHER)
        story = await world.story(admitted.run)
        messages = await world.messages(admitted.run.session_id)
        run = await world.manage.get(world.actor, admitted.run.id)

    assert only(story, RunResumed) == [RunResumed(2, "retry", 1), RunResumed(3, "retry", 1)]
    assert isinstance(story[-1], RunFailed)
    assert (story[-1].code, story[-1].retryable) == ("response_format_violated", False)
    assert [(m.content, m.incomplete) for m in messages[1:]] == [("three", True)]
    assert text_of(world.models.prompts[2].messages[-2].parts) == "two"
    assert run.usage.output_tokens == sum(b.usage.output_tokens for b in only(story, UsageReported))
    assert len(only(story, UsageReported)) == 3


async def test_an_answer_that_was_cut_off_is_not_tried_again() -> None:
    async with living() as world:
        world.models.scripts.append(
            [
                TextDelta('{"city": "Be'),
                Finished(reason="length", model="scripted", usage=Usage(output_tokens=3)),
            ]
        )

        story = await world.story((await world.asks("weather?", response_format=WEATHER)).run)

    assert only(story, RunResumed) == []
    assert isinstance(story[-1], RunFailed)
    assert story[-1].code == "response_format_violated"
    assert "cut off (length)" in story[-1].detail
    assert only(story, MessageCompleted)[0].message.incomplete


async def test_tools_may_be_called_before_the_answer_and_after_a_wrong_one() -> None:
    async with living() as world:
        world.models.scripts += [
            [TextDelta("I look it up."), *called(("lookup", '{"q": 1}'))],
            said("wrong"),
            called(("lookup", '{"q": 2}')),
            said(GOOD),
        ]
        agent = await world.has_agent()

        admitted = await world.asks("weather?", agent_id=agent.id, response_format=WEATHER)
        story = await world.story(admitted.run)

    assert isinstance(story[-1], RunCompleted)
    assert len(world.tools.witnessed) == 2
    roles = [message.role for message in world.models.prompts[-1].messages]
    assert roles == ["user", "assistant", "tool", "assistant", "tool"]


async def test_a_schema_that_the_value_cannot_be_checked_against_quickly_is_not_met() -> None:
    async with living() as world:
        wanted = JsonSchema(NamedSchema(name="many", schema={"allOf": [{}] * 2_000}))
        world.models.scripts += [said(f"[{'1,' * 3_000}1]"), said("[1]")]

        story = await world.story((await world.asks("many", response_format=wanted)).run)

    assert only(story, MessageCompleted)[0].message.content == "[1]"
    assert "too large" in text_of(world.models.prompts[1].messages[-1].parts)


async def test_retries_spend_the_tokens_of_the_run() -> None:
    defaults = RunDefaults(max_steps=9, max_output_tokens=2, timeout_s=60)
    async with living(defaults=defaults) as world:
        world.models.scripts += [said("a b c"), said(GOOD)]

        story = await world.story((await world.asks("weather?", response_format=WEATHER)).run)

    assert isinstance(story[-1], RunFailed)
    assert story[-1].code == "limit_reached"


async def test_plain_text_is_no_form() -> None:
    async with living() as world:
        story = await world.story((await world.asks("hi", response_format=PlainText())).run)

    assert isinstance(story[-1], RunCompleted)
    assert world.models.prompts[0].response_format is None


async def test_json_has_no_word_about_missing_tools_at_its_head() -> None:
    async with living() as world:
        world.models._info = ModelInfo(name="tiny", service="x", window_tokens=8000, tools=False)
        world.models.scripts.append(said(GOOD))
        agent = await world.has_agent()

        admitted = await world.asks("weather?", agent_id=agent.id, response_format=WEATHER)
        story = await world.story(admitted.run)

    assert spoken(story) == GOOD
