import asyncio
from base64 import b64encode
from typing import Any

import pytest

from polyagent.adapters.memory.models import Scripted, said
from polyagent.domain.chat import text_of
from polyagent.domain.errors import ModelServiceBroken, ModelServiceUnavailable
from polyagent.domain.model import CallDelta, Finished, ModelDelta, TextDelta
from polyagent.domain.usage import Usage
from tests.api.client import LIMIT_S
from tests.api.house import House, lived_in, some_id
from tests.images import PNG

CHAT = "/api/v1/chat"


async def test_a_chat_is_answered_in_a_new_session(house: House) -> None:
    answer = await house.chat(house.ann, "hello")

    assert answer.status == 200
    assert set(answer.json) == {
        *("run_id", "session_id", "status", "message", "usage", "error", "approvals")
    }
    assert answer.json["status"] == "completed"
    assert answer.json["message"]["content"] == "You said: hello"
    assert answer.json["usage"]["total_tokens"] > 0


async def test_the_next_message_of_a_session_knows_the_ones_before(house: House) -> None:
    first = (await house.chat(house.ann, "one")).json

    await house.chat(house.ann, "two", session_id=first["session_id"])

    told = [text_of(message.parts) for message in house.models.prompts[-1].messages]
    assert told[-3:] == ["one", "You said: one", "two"]


async def test_parts_are_taken_as_well_as_text(house: House) -> None:
    parts = [
        {"type": "text", "text": "look"},
        {"type": "image", "data": b64encode(PNG).decode(), "media_type": "image/png"},
    ]

    answer = await house.ann.post(CHAT, {"message": parts})

    assert answer.status == 200


async def test_a_run_that_fails_before_a_word_is_503_with_its_id(house: House) -> None:
    house.models.scripts.append([ModelServiceUnavailable("no answer in 30 s")])

    answer = await house.chat(house.ann)

    problem = answer.as_problem(503, "model_service_unavailable")
    assert answer.headers["retry-after"] == "1"
    run = await house.ann.get(f"/api/v1/runs/{problem['run_id']}")
    assert run.json["status"] == "failed"


async def test_a_run_that_fails_after_a_word_is_200_and_says_why(house: House) -> None:
    broken: Scripted = [TextDelta("half"), ModelServiceBroken("it broke off")]
    for _ in range(4):
        house.models.scripts.append(broken)

    answer = await house.chat(house.ann)

    assert answer.status == 200
    assert answer.json["status"] == "failed"
    assert answer.json["error"] == {
        "code": "model_service_broken",
        "detail": answer.json["error"]["detail"],
        "retryable": True,
    }


async def test_impatience_is_answered_202_and_the_run_goes_on(house: House) -> None:
    answer = await house.ann.post(CHAT, {"message": "hi"}, prefer="respond-async, wait=0")

    assert answer.status == 202
    assert answer.json["status"] in {"running", "completed"}
    path = answer.headers["location"]
    assert path == f"/api/v1/runs/{answer.json['run_id']}"
    story = await house.ann.get(f"{path}/events")
    assert b"event: run.completed" in story.body


@pytest.mark.parametrize(
    "prefer",
    [
        "wait=99999999999",
        'wait="5"',
        "wait=",
        "wait=-1",
        "wait=soon",
        "WAIT = 9; x",
        "wait=" + "9" * 400,
    ],
)
async def test_absurd_preferences_are_no_errors(house: House, prefer: str) -> None:
    answer = await house.ann.post(CHAT, {"message": "hi"}, prefer=prefer)

    assert answer.status == 200


async def test_the_server_bounds_how_long_a_chat_waits() -> None:
    async with lived_in(chat_wait_s=0.001) as house:
        house.models.gate.clear()

        answer = await house.ann.post(CHAT, {"message": "hi"}, prefer="wait=3600")

        assert answer.status == 202


async def test_background_answers_the_run_at_once(house: House) -> None:
    answer = await house.chat(house.ann, background=True)

    assert answer.status == 202
    assert answer.headers["location"] == f"/api/v1/runs/{answer.json['id']}"


async def test_stream_true_streams(house: House) -> None:
    answer = await house.chat(house.ann, stream=True)

    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        (CHAT, {"message": "hi", "stream": True, "background": True}, None),
        (CHAT, {"message": "   "}, None),
        (CHAT, {"message": ""}, "#/message"),
        (CHAT, {"message": 7}, "#/message"),
        (CHAT, {"message": []}, "#/message"),
        (CHAT, {"message": [{"type": "text"}]}, "#/message/0/text"),
        (CHAT, {"message": "hi", "priority": "5"}, "#/priority"),
        (CHAT, {"message": "hi", "priority": 10}, "#/priority"),
        (CHAT, {"message": "hi", "session_id": "mine"}, "#/session_id"),
        (CHAT, {"message": "hi", "colour": "blue"}, "#/colour"),
        (CHAT, {}, "#/message"),
        (CHAT, [], "#"),
        (CHAT, {"message": "hi", "end_user": "x" * 201}, "#/end_user"),
        (
            CHAT,
            {"message": "hi", "model_settings": {"temperature": 9}},
            "#/model_settings/temperature",
        ),
        (f"{CHAT}/stream", {"message": "hi", "stream": False}, None),
        (f"{CHAT}/stream", {"message": "hi", "background": True}, None),
        ("/api/v1/runs", {"message": None}, "#/message"),
    ],
)
async def test_what_is_wrong_with_a_body_is_pointed_at(
    house: House, path: str, body: Any, pointer: str | None
) -> None:
    answer = await house.ann.post(path, body)

    problem = answer.as_problem(400, "invalid_request")
    if pointer is not None:
        assert [fault["pointer"] for fault in problem["errors"]] == [pointer]
    assert (await house.ann.get("/api/v1/runs")).json["items"] == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"tools": ["drill"]}, 422, "tool_unknown"),
        ({"policy": "steer"}, 422, "not_supported"),
        ({"policy": "interrupt"}, 422, "not_supported"),
        ({"session_id": str(some_id())}, 404, "not_found"),
        ({"agent_id": str(some_id())}, 404, "not_found"),
        ({"document_ids": [str(some_id())]}, 404, "not_found"),
    ],
)
async def test_what_cannot_be_done_is_refused(
    house: House, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await house.ann.post(CHAT, {"message": "hi", **body})

    answer.as_problem(status, code)


async def test_ids_of_others_inside_a_body_look_as_if_they_were_not_there(house: House) -> None:
    session_id = (await house.chat(house.ann)).json["session_id"]
    agent_id = (await house.agent(house.ann))["id"]

    for field, of_ann in (("session_id", session_id), ("agent_id", agent_id)):
        absent = str(some_id())
        hers, none = [await house.chat(house.bob, **{field: value}) for value in (of_ann, absent)]

        hers.as_problem(404, "not_found")
        assert hers.told(of_ann) == none.told(absent)


async def test_a_session_belongs_to_its_end_user(house: House) -> None:
    session_id = (await house.chat(house.ann, end_user="customer 1")).json["session_id"]

    answer = await house.chat(house.ann, session_id=session_id, end_user="customer 2")

    answer.as_problem(404, "not_found")


async def test_the_same_key_means_the_same_run(house: House) -> None:
    body = {"message": "once"}

    first = await house.ann.post(CHAT, body, idempotency_key="k-1")
    again = await house.ann.post(CHAT, body, idempotency_key='"k-1"')
    as_run = await house.ann.post("/api/v1/runs", body, idempotency_key="k-1")
    as_stream = await house.ann.post(f"{CHAT}/stream", body, idempotency_key="k-1")

    assert "idempotent-replayed" not in first.headers
    assert again.status == 200
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json == first.json
    assert (as_run.status, as_run.json["id"]) == (200, first.json["run_id"])
    assert as_stream.headers["idempotent-replayed"] == "true"
    assert b"event: run.completed" in as_stream.body
    assert len(house.models.prompts) == 1


async def test_the_same_key_with_another_body_is_refused(house: House) -> None:
    await house.ann.post(CHAT, {"message": "once"}, idempotency_key="k-1")

    answer = await house.ann.post(CHAT, {"message": "twice"}, idempotency_key="k-1")

    answer.as_problem(422, "idempotency_key_reused")


async def test_the_order_of_fields_makes_no_other_body(house: House) -> None:
    one = b'{"message": "once", "metadata": {"a": 1, "b": 2}}'
    other = b'{"metadata": {"b": 2, "a": 1}, "message": "once", "priority": 5}'

    answers = [
        await house.ann.request("POST", CHAT, content=body, headers={"idempotency_key": "k-1"})
        for body in (one, other)
    ]

    assert answers[0].json["run_id"] == answers[1].json["run_id"]


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, '""', "é", "\t"])
async def test_a_key_that_is_none_is_refused(house: House, key: str) -> None:
    answer = await house.ann.post(CHAT, {"message": "hi"}, idempotency_key=key)

    answer.as_problem(400, "invalid_request")


async def test_a_stopping_process_answers_its_waiting_chats_202(house: House) -> None:
    house.models.gate.clear()
    chat = asyncio.create_task(house.chat(house.ann))
    async with asyncio.timeout(LIMIT_S):
        await house.models.asked.wait()

    house.drain.begin()
    answer = await chat

    assert answer.status == 202
    assert answer.json["status"] == "running"
    assert "location" in answer.headers


async def test_a_call_of_a_tool_is_in_the_answer(house: House) -> None:
    call: list[ModelDelta] = [
        CallDelta(0, '{"expression": "17*23"}', "calculator"),
        Finished(reason="tool_calls", model="scripted", usage=Usage()),
    ]
    house.models.scripts.extend([call, said("391")])

    answer = await house.chat(house.ann, "What is 17*23?")

    messages = await house.ann.get(f"/api/v1/chat/sessions/{answer.json['session_id']}/messages")
    asked = messages.json["items"][1]["tool_calls"][0]
    assert answer.json["message"]["content"] == "391"
    assert (asked["name"], asked["state"]) == ("calculator", "done")
