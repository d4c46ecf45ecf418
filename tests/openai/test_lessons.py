"""What one request is refused for does not change the next one's, and what was learned is forgotten."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest

from polyagent.adapters.openai.knowing.habits import Habits
from polyagent.adapters.openai.knowing.lessons import Lesson, lesson_of
from polyagent.domain.agent import ModelSettings
from polyagent.domain.errors import ModalityUnsupported, ModelServiceRefused, ToolsRefused
from polyagent.domain.model import Prompt
from polyagent.domain.response_format import JsonObject
from polyagent.ports.models import Models
from polyagent.settings import Ai
from tests.model_service import ModelService
from tests.openai.caller import TOOL, HastyClock, answer, ask, caller, text_of
from tests.openai.test_adapting import IMAGE, WANTED, seen

OF_CLIENT = msgspec.structs.replace(TOOL, source="client")
THINKING = ModelSettings(reasoning_effort="high")
FORCED = ask("say hi", tools=(TOOL,), tool_choice="required")


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": (OF_CLIENT,)},
        {"tools": (TOOL, OF_CLIENT)},
        {"tools": (TOOL,), "tool_choice": "required"},
        {"tools": (TOOL,), "parallel_tool_calls": False},
        {"tools": (TOOL,), "settings": THINKING},
        {"tools": (TOOL,), "response_format": JsonObject()},
    ],
)
async def test_tools_that_are_refused_beside_something_else_are_offered_again(
    fields: dict[str, Any],
) -> None:
    async with ModelService(refuses=("tools",)) as service, caller(service.url) as models:
        with pytest.raises(ToolsRefused):
            await answer(models, ask("say hi", **fields))

        assert (await models.info(None)).tools


@pytest.mark.parametrize(
    ("refuses", "prompt", "left_out"),
    [
        ("tool_choice", FORCED, "tool_choice"),
        (
            "parallel_tool_calls",
            ask("say hi", tools=(TOOL,), parallel_tool_calls=True),
            "parallel_tool_calls",
        ),
    ],
)
async def test_what_is_refused_beside_the_tools_is_left_out_and_not_the_tools(
    refuses: str, prompt: Prompt, left_out: str
) -> None:
    async with ModelService(refuses=(refuses,)) as service, caller(service.url) as models:
        for _ in range(2):
            assert text_of(await answer(models, prompt)) == "hi "
        facts = (await models.health()).facts

        assert [left_out in request for request in service.requests] == [True, False, False]
        assert all("tools" in request for request in service.requests)
        assert (await models.info(None)).tools
    assert facts["refused"] == {"scripted": [left_out]}


async def test_a_call_that_cannot_be_forced_can_still_be_forbidden() -> None:
    async with ModelService(refuses=("tool_choice",)) as service, caller(service.url) as models:
        await answer(models, FORCED)
        with pytest.raises(ModelServiceRefused):
            await answer(models, ask("say hi", tools=(TOOL,), tool_choice="none"))

        assert service.requests[-1]["tool_choice"] == "none"


async def test_a_choice_that_is_refused_to_a_thinking_model_is_its_own_only() -> None:
    async with ModelService(refuses=("tool_choice",)) as service, caller(service.url) as models:
        for _ in range(2):
            await answer(models, msgspec.structs.replace(FORCED, settings=THINKING))

        assert len(service.requests) == 4


async def test_effort_that_is_refused_beside_tools_is_left_out_for_this_call_only() -> None:
    refusing = ModelService(refuses=("effort_with_tools",))
    async with refusing as service, caller(service.url) as models:
        for _ in range(2):
            assert text_of(await answer(models, ask("say hi", tools=(TOOL,), settings=THINKING)))
        await answer(models, ask("say hi", settings=THINKING))

        assert [r.get("reasoning_effort") for r in service.requests] == ["high", None] * 2 + [
            "high"
        ]
        assert [bool(r.get("tools")) for r in service.requests] == [True] * 4 + [False]


async def test_a_lesson_that_did_not_help_is_not_kept() -> None:
    async with ModelService(refuses=("echo",)) as service, caller(service.url) as models:
        for _ in range(2):
            with pytest.raises(ModelServiceRefused):
                await answer(models, ask("say hi"))

        assert len(service.requests) == 6
        assert service.requests[3]["stream_options"]
        assert "refused" not in (await models.health()).facts


async def test_a_schema_that_a_service_cannot_follow_teaches_nothing_about_the_next() -> None:
    async with ModelService(refuses=("all_formats",)) as service, caller(service.url) as models:
        for _ in range(2):
            await answer(models, ask("say {}", response_format=WANTED))
        facts = (await models.health()).facts

        assert len(service.requests) == 6
    assert "refused" not in facts
    assert facts["taken"] == ["usage"]


@pytest.mark.parametrize(
    ("refuses", "prompt"),
    [
        ("tools", ask("say hi", tools=(TOOL,))),
        ("tool_choice", FORCED),
        ("json_schema", ask("say {}", response_format=WANTED)),
        ("images", seen((IMAGE,))),
        ("stream_options", ask("say hi")),
    ],
)
async def test_what_was_refused_is_tried_again_after_a_while(refuses: str, prompt: Prompt) -> None:
    clock = HastyClock()
    refusing = ModelService(refuses=(refuses,))
    async with refusing as service, caller(service.url, clock) as models:
        await _answered(models, prompt)
        taught = (await models.health()).facts
        await clock.sleep(Ai().probe_s)

        forgot = (await models.health()).facts
        await _answered(models, prompt)
        again = (await models.health()).facts

    assert taught["refused"] == again["refused"] == {"scripted": [refuses]}
    assert "refused" not in forgot


async def _answered(models: Models, prompt: Prompt) -> None:
    with suppress(ToolsRefused, ModalityUnsupported):
        await answer(models, prompt)


@pytest.mark.parametrize(
    ("said", "lasts"),
    [
        ("This response_format type is unavailable now", True),
        ("'response_format.type' must be 'json_object' or 'text'", True),
        ("Unrecognized request argument supplied: response_format", True),
        (
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
            True,
        ),
        ("This model does not support response format `json_schema`.", True),
        ("unknown variant `json_schema`, expected one of `text`, `json_object`", True),
        (
            '{"loc":["body","response_format","type"],"msg":"Input should be \'text\' or \'json_object\'"}',
            True,
        ),
        ('{"loc":["body","response_format"],"msg":"Extra inputs are not permitted"}', True),
        ("Structured outputs are not supported by this model", True),
        (
            "Invalid schema for response_format 'x': In context=(), 'oneOf' is not permitted.",
            False,
        ),
        (
            "The provided JSON schema contains features not supported by xgrammar.",
            False,
        ),
        ("failed to parse grammar", False),
        ("Grammar error: Unimplemented keys: [minProperties]", False),
        ("response_format.json_schema.schema: $ref is not supported", False),
        ("Unsupported keyword in json_schema: patternProperties", False),
        ("The schema is too complex: response_format is not supported at this depth", False),
        ("This json_schema has a recursive reference, which is not supported", False),
        ("Unknown parameter: 'response_format.json_schema.strict'.", False),
    ],
)
def test_one_schema_that_is_refused_is_told_from_schemas_that_are(said: str, lasts: bool) -> None:
    lesson = lesson_of(400, said.encode(), ask("say {}", response_format=WANTED), Habits())

    assert lesson == Lesson("takes_json_schema", lasts=lasts)
