"""The front for clients of the OpenAI protocol, as its official client and others use it."""

import asyncio
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import msgspec
import openai
import pytest
from msgspec.structs import replace

from polyagent.adapters.memory.models import said
from polyagent.domain.chat import ImagePart, text_of
from polyagent.domain.model import Finished, ThoughtDelta
from tests.api.front import (
    asked,
    chunks_of,
    error_of,
    official,
    spelled,
    user,
)
from tests.api.house import House
from tests.images import PNG
from tests.world import called

NAMES = ("support", "a/b", "é x", "100%", "a/", "?q#f", "01990000-0000-7000-8000-000000000000")


def coded(image: bytes) -> str:
    return b64encode(image).decode()


async def test_each_model_that_is_listed_can_be_read_and_used(house: House) -> None:
    for name in NAMES:
        await house.agent(house.ann, name=name)
    client = official(house, house.ann)

    ids = [model.id for model in (await client.models.list()).data]

    assert ids[:3] == ["agent/general", "agent/code", "agent/research"]
    assert ids[3:-2] == [f"agent/{name}" for name in NAMES[:-1]]
    assert ids[-1] == "scripted"
    for id_ in ids:
        assert (await client.models.retrieve(id_)).id == id_
        assert (await house.ann.get(f"/v1/models/{quote(id_, safe='/')}")).json["id"] == id_
        completion = await client.chat.completions.create(model=id_, messages=[user()])  # type: ignore[list-item]
        assert completion.model == id_
        assert completion.choices[0].message.content == "You said: hi"


async def test_of_two_agents_with_one_name_the_name_means_ones_own(house: House) -> None:
    theirs = await house.agent(house.bob, name="twin", visibility="shared", instructions="Bob's")
    await house.agent(house.ann, name="twin", instructions="Ann's")

    ids = [model["id"] for model in (await house.ann.get("/v1/models")).json["data"]]
    await asked(house.ann, model="agent/twin")
    await asked(house.ann, model=f"agent/{theirs['id']}")

    assert {"agent/twin", f"agent/{theirs['id']}"} <= set(ids)
    instructions = [text_of(prompt.messages[0].parts) for prompt in house.models.prompts]
    assert instructions == ["Ann's", "Bob's"]


async def test_only_agents_that_are_seen_and_active_are_listed(house: House) -> None:
    secret = await house.agent(house.bob, name="secret")
    await house.agent(house.ann, name="asleep", status="inactive")

    ids = [model["id"] for model in (await house.ann.get("/v1/models")).json["data"]]

    assert ids == ["agent/general", "agent/code", "agent/research", "scripted"]
    for name in ("secret", secret["id"], "nobody", ""):
        error_of(await asked(house.ann, model=f"agent/{name}"), 404, "model_not_found")
        error_of(await house.ann.get(f"/v1/models/agent/{name}"), 404, "model_not_found")
    error = error_of(await asked(house.ann, model="agent/asleep"), 400, "agent_inactive")
    assert "inactive" in error["message"]


@pytest.mark.parametrize("status", ["inactive", "archived"])
async def test_a_model_answers_while_the_general_agent_is_at_rest(
    house: House, status: str
) -> None:
    agents = (await house.root.get("/api/v1/agents")).json["items"]
    (general,) = (agent for agent in agents if agent["name"] == "general")
    rest = {"status": status}
    put = await house.root.request("PATCH", f"/api/v1/agents/{general['id']}", json=rest)

    answer = await asked(house.ann)

    assert (put.status, answer.status) == (200, 200), answer.body
    error_of(await asked(house.ann, model="agent/general"), 400, "agent_inactive")
    error_of(await house.ann.get("/v1/models/agent/general"), 400, "agent_inactive")


async def test_a_viewer_asks_shared_agents(house: House) -> None:
    assert (await house.vic.get("/v1/models")).status == 200
    assert (await asked(house.vic, model="agent/general")).status == 200


async def test_an_agent_has_its_instructions_before_the_clients(house: House) -> None:
    settings = {"temperature": 0.5, "top_p": 0.5}
    await house.agent(house.ann, instructions="You are Eve.", model_settings=settings)
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        user("one"),
        {"role": "assistant", "content": "1", "refusal": None, "name": "eve"},
        {"role": "developer", "content": "Be quick."},
        user("two"),
    ]

    await asked(house.ann, *messages, model="agent/helper", temperature=0, max_tokens=9)

    (prompt,) = house.models.prompts
    assert [(message.role, text_of(message.parts)) for message in prompt.messages] == [
        ("system", "You are Eve.\n\nBe brief.\n\nBe kind."),
        ("user", "one"),
        ("assistant", "1"),
        ("system", "Be quick."),
        ("user", "two"),
    ]
    told = prompt.settings
    assert (told.temperature, told.top_p, told.max_output_tokens) == (0, 0.5, 9)


async def test_a_model_is_asked_as_it_is_with_every_parameter(house: House) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    house.models.scripts.append(said("{}"))
    answer = await asked(
        house.ann,
        temperature=1,
        top_p=0.9,
        max_completion_tokens=7,
        stop="END",
        seed=4,
        presence_penalty=1,
        frequency_penalty=-1,
        logit_bias={"50256": -100},
        reasoning_effort="low",
        response_format=schema,
        parallel_tool_calls=False,
        store=True,
        service_tier="auto",
        unheard_of={"a": 1},
        tools=None,
        n=1,
    )

    assert answer.status == 200
    (prompt,) = house.models.prompts
    assert prompt.model == "scripted"
    assert [message.role for message in prompt.messages] == ["user"]
    assert prompt.tools == ()
    assert msgspec.to_builtins(prompt.response_format) == schema
    assert prompt.parallel_tool_calls is False
    told = prompt.settings
    assert (told.temperature, told.top_p, told.max_output_tokens, told.seed) == (1, 0.9, 7, 4)
    assert (told.stop, told.logit_bias, told.reasoning_effort) == (
        ("END",),
        {"50256": -100},
        "low",
    )
    assert (told.presence_penalty, told.frequency_penalty) == (1, -1)


@pytest.mark.parametrize(
    "effort", ["none", "minimal", "low", "medium", "high", "xhigh", "max", None]
)
async def test_every_effort_that_the_official_client_knows_is_passed_on(
    house: House, effort: str | None
) -> None:
    assert (await asked(house.ann, reasoning_effort=effort)).status == 200
    assert house.models.prompts[0].settings.reasoning_effort == effort


async def test_a_stream_spells_what_the_whole_answer_says(house: House) -> None:
    script = [ThoughtDelta("Hm"), ThoughtDelta("m."), *said('Hel"l', "o\n", "😀")]
    house.models.scripts += [script, script]

    whole = await asked(house.ann)
    stream = await asked(house.ann, stream=True, stream_options={"include_usage": True})

    assert stream.headers["content-type"].startswith("text/event-stream")
    chunks = chunks_of(stream.body)
    message = whole.json["choices"][0]["message"]
    assert spelled(chunks) == message["content"] == 'Hel"lo\n😀'
    first, *middle, finish, usage = chunks
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [chunk["choices"][0]["delta"].get("reasoning_content") for chunk in middle[:2]] == [
        "Hm",
        "m.",
    ]
    assert message["reasoning_content"] == "Hmm."
    assert finish["choices"][0] == {
        "index": 0,
        "delta": {},
        "logprobs": None,
        "finish_reason": "stop",
    }
    assert (usage["choices"], usage["usage"]) == ([], whole.json["usage"])
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    heads = {(c["id"], c["object"], c["created"], c["model"]) for c in chunks}
    run_id = stream.headers["x-run-id"]
    assert len(heads) == 1
    assert heads.pop()[:2] == (f"chatcmpl-{run_id}", "chat.completion.chunk")


async def test_usage_is_streamed_only_when_asked_for(house: House) -> None:
    chunks = chunks_of((await asked(house.ann, stream=True)).body)

    assert all("usage" not in chunk for chunk in chunks)


async def test_the_official_client_streams(house: House) -> None:
    client = official(house, house.ann)

    async with client.chat.completions.stream(model="agent/general", messages=[user()]) as stream:  # type: ignore[list-item]
        events = [event.type async for event in stream]
        final = await stream.get_final_completion()

    assert final.choices[0].message.content == "You said: hi"
    assert "content.done" in events


async def test_texts_of_an_agents_steps_are_parted_by_a_blank_line(house: House) -> None:
    await house.agent(house.ann, tools=["calculator"])
    for _ in range(2):
        *calls, finished = called(("calculator", '{"expression": "6*7"}'))
        house.models.scripts += [
            [*said("Let me", " see.")[:-1], *calls, finished],
            said("It is 42."),
        ]

    whole = await asked(house.ann, model="agent/helper")
    stream = await asked(house.ann, model="agent/helper", stream=True)

    choice = whole.json["choices"][0]
    assert choice["message"]["content"] == "Let me see.\n\nIt is 42."
    assert (choice["finish_reason"], "tool_calls" in choice["message"]) == ("stop", False)
    chunks = chunks_of(stream.body)
    assert spelled(chunks) == "Let me see.\n\nIt is 42."
    assert not any("tool_calls" in c["choices"][0]["delta"] for c in chunks)
    assert whole.json["usage"]["total_tokens"] == 2 + 4


@pytest.mark.parametrize(
    ("reason", "raw", "told"),
    [
        ("length", "max_tokens", "length"),
        ("content_filter", None, "content_filter"),
        ("other", "weird", "stop"),
    ],
)
async def test_the_reason_of_the_end_is_one_that_clients_know(
    house: House, reason: Any, raw: str | None, told: str
) -> None:
    *deltas, finished = said("Well")
    assert isinstance(finished, Finished)
    script = [*deltas, replace(finished, reason=reason, raw_reason=raw or reason)]
    house.models.scripts += [script, script]

    whole = await asked(house.ann)
    chunks = chunks_of((await asked(house.ann, stream=True)).body)

    assert whole.json["choices"][0]["finish_reason"] == told
    assert chunks[-1]["choices"][0]["finish_reason"] == told


async def test_images_are_taken_from_users(house: House) -> None:
    shown = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{coded(PNG)}"}},
    ]

    assert (await asked(house.ann, user(shown))).status == 200

    parts = house.models.prompts[0].messages[0].parts
    assert parts[1:] == (ImagePart(data=coded(PNG), media_type="image/png"),)


async def test_what_is_no_image_is_refused_where_it_stands(house: House) -> None:
    url = f"data:image/png;base64,{coded(b'hello')}"
    shown = [{"type": "image_url", "image_url": {"url": url}}]

    error = error_of(await asked(house.ann, user(shown)), 400, "image_unusable")

    assert error["param"] == "messages[0].content[0].image_url.url"


async def test_a_completion_is_a_run_that_its_user_finds(house: House) -> None:
    answer = await asked(house.ann, user="carol", metadata={"k": "v"})

    run = (await house.ann.get(f"/api/v1/runs/{answer.headers['x-run-id']}")).json
    assert (run["status"], run["session_id"], run["metadata"]) == ("completed", None, {"k": "v"})
    found = (await house.ann.get("/api/v1/runs?end_user=carol")).json["items"]
    assert [run["id"] for run in found] == [answer.headers["x-run-id"]]
    assert (await house.bob.get(f"/api/v1/runs/{run['id']}")).status == 404
    assert (await house.ann.get("/api/v1/chat/sessions")).json["items"] == []


async def test_a_key_leads_back_to_the_run(house: House) -> None:
    first = await asked(house.ann, key="k")
    again = await asked(house.ann, key="k")
    stream = await asked(house.ann, key="k", stream=True)

    assert again.json == first.json
    assert again.headers["idempotent-replayed"] == stream.headers["idempotent-replayed"] == "true"
    assert spelled(chunks_of(stream.body)) == "You said: hi"
    assert len(house.models.prompts) == 1
    error_of(await asked(house.ann, user("else"), key="k"), 400, "idempotency_key_reused")
    error_of(await asked(house.ann, key="é"), 400, "invalid_request")
    assert (await asked(house.bob, key="k")).headers["x-run-id"] != first.headers["x-run-id"]


async def test_a_key_leads_back_to_a_run_that_is_under_way(house: House) -> None:
    house.models.gate.clear()
    tasks = [
        asyncio.create_task(asked(house.ann, key="k", stream=stream)) for stream in (True, False)
    ]
    await house.models.asked.wait()

    house.models.gate.set()
    first, again = [await task for task in tasks]

    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json["choices"][0]["message"]["content"] == spelled(chunks_of(first.body))
    assert len(house.models.prompts) == 1


async def test_the_official_client_knows_our_errors(house: House) -> None:
    client = official(house, house.ann)

    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("agent/nobody")
    with pytest.raises(openai.AuthenticationError):
        await official(house, house.nobody.with_token("x")).models.list()
    with pytest.raises(openai.BadRequestError) as error:
        await client.chat.completions.create(model="scripted", messages=[user()], n=5)  # type: ignore[list-item]
    assert error.value.param == "n"
