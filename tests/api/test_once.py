"""`Idempotency-Key` on every POST that is no run."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from litestar.routes import HTTPRoute
from msgspec.structs import replace

from polyagent.adapters.functions.registry import FunctionTools
from polyagent.ports.tools import Tools
from tests.api.client import Answer, Client
from tests.api.house import House

AGENTS = "/api/v1/agents"
SESSIONS = "/api/v1/chat/sessions"
TAKES_NONE = {
    *("/api/v1/users/login", "/api/v1/users/register", "/api/v1/users/refresh"),
    "/api/v1/tickets",
}
KEEPS_A_RUN = {"/api/v1/chat", "/api/v1/chat/stream", "/api/v1/runs"}
BODY = {"name": "helper"}


async def test_every_post_but_these_takes_a_key(house: House) -> None:
    doc = (await house.nobody.get("/openapi.json")).json
    posts = {path: item["post"] for path, item in doc["paths"].items() if "post" in item}

    taking = {
        path
        for path, operation in posts.items()
        if any(each["name"] == "Idempotency-Key" for each in operation.get("parameters", ()))
    }

    served = {
        route.path_format
        for route in house.app.routes
        if isinstance(route, HTTPRoute) and "POST" in route.methods
    }
    assert taking == served - TAKES_NONE
    assert taking > KEEPS_A_RUN


async def _examples(house: House) -> AsyncIterator[tuple[Client, str, Any]]:
    """Yield each kind of request that takes a key: who, where, what."""
    yield house.ann, AGENTS, BODY
    agent = await house.agent(house.ann, name="first")
    yield house.ann, f"{AGENTS}/{agent['id']}/versions/1/restore", None
    yield (
        house.root,
        "/api/v1/users",
        {"username": "eve", "email": "eve@x.example", "password": "long enough"},
    )
    session_id = (await house.chat(house.ann)).json["session_id"]
    messages = (await house.ann.get(f"{SESSIONS}/{session_id}/messages")).json["items"]
    yield house.ann, f"{SESSIONS}/{session_id}/fork", {"message_id": messages[0]["id"]}
    yield house.ann, "/api/v1/tools/execute", {"name": "current_time", "arguments": {}}
    house.models.gate.clear()
    run = (await house.ann.post("/api/v1/runs", {"message": "hi"})).json
    yield house.ann, f"/api/v1/runs/{run['id']}/cancel", None


async def test_a_repeated_request_gets_the_first_answer(house: House) -> None:
    async for client, path, body in _examples(house):
        plain = await client.post(path, body, idempotency_key="k")

        again = await client.post(path, body, idempotency_key='"k"')

        assert plain.status in (200, 201, 202), plain.body
        assert (again.status, again.body) == (plain.status, plain.body)
        assert _telling(again) == {**_telling(plain), "idempotent-replayed": "true"}
    assert len((await house.ann.get(AGENTS)).json["items"]) == 5


def _telling(answer: Answer) -> Mapping[str, str]:
    own = ("x-request-id", "ratelimit")
    return {name: value for name, value in answer.headers.items() if name not in own}


async def test_with_a_key_and_without_one_the_answers_look_alike(house: House) -> None:
    keyed = await house.ann.post(AGENTS, {"name": "a"}, idempotency_key="k")
    bare = await house.ann.post(AGENTS, {"name": "b"})

    assert keyed.headers["etag"] == bare.headers["etag"]
    assert keyed.headers["content-type"] == bare.headers["content-type"]
    assert [*keyed.json] == [*bare.json]
    assert keyed.headers["location"] == f"{AGENTS}/{keyed.json['id']}"


async def test_a_key_stands_for_one_body_and_one_thing(house: House) -> None:
    one, two = [await house.agent(house.ann, name=name) for name in ("one", "two")]
    await house.ann.post(AGENTS, BODY, idempotency_key="k")
    await house.ann.post(f"{AGENTS}/{one['id']}/versions/1/restore", idempotency_key="r")

    other = await house.ann.post(AGENTS, {"name": "other"}, idempotency_key="k")
    elsewhere = await house.ann.post(
        f"{AGENTS}/{two['id']}/versions/1/restore", idempotency_key="r"
    )

    other.as_problem(422, "idempotency_key_reused")
    elsewhere.as_problem(422, "idempotency_key_reused")


async def test_how_a_body_is_written_does_not_matter(house: House) -> None:
    written = [b'{"name":"helper","type":"code"}', b' {"type": "code", "name": "h\\u0065lper"} ']

    answers = [
        await house.ann.request("POST", AGENTS, content=body, headers={"idempotency_key": "k"})
        for body in written
    ]

    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].body == answers[1].body


async def test_what_is_kept_of_a_request_says_nothing_of_its_password(house: House) -> None:
    """Not even to who guesses: the answer is found again whatever the password was."""
    user = {"username": "eve", "email": "eve@x.example", "password": "long enough"}
    keyed = {"idempotency_key": "k"}

    first = await house.root.post("/api/v1/users", user, **keyed)
    again = await house.root.post("/api/v1/users", {**user, "password": "another one"}, **keyed)
    other = await house.root.post("/api/v1/users", {**user, "username": "fay"}, **keyed)

    assert (first.status, again.status, again.json) == (201, 201, first.json)
    other.as_problem(422, "idempotency_key_reused")


async def test_keys_are_their_users_and_their_routes(house: House) -> None:
    mine = await house.ann.post(AGENTS, BODY, idempotency_key="k")
    yours = await house.bob.post(AGENTS, BODY, idempotency_key="k")
    tool = await house.ann.post(
        "/api/v1/tools/execute", {"name": "current_time"}, idempotency_key="k"
    )
    chat = await house.ann.post("/api/v1/chat", {"message": "hi"}, idempotency_key="k")

    assert mine.json["id"] != yours.json["id"]
    assert (tool.status, chat.status) == (200, 200)
    for answer in (yours, tool, chat):
        assert "idempotent-replayed" not in answer.headers


async def test_an_error_is_not_kept(house: House) -> None:
    taken = await house.agent(house.ann, name="helper")
    first = await house.ann.post(AGENTS, BODY, idempotency_key="k")
    misfit = await house.ann.post(AGENTS, {"name": 1}, idempotency_key="k")
    await house.ann.request("DELETE", f"{AGENTS}/{taken['id']}")

    again = await house.ann.post(AGENTS, {"name": "other"}, idempotency_key="k")

    first.as_problem(409, "name_taken")
    misfit.as_problem(400, "invalid_request")
    assert again.status == 201
    assert "idempotent-replayed" not in again.headers


async def test_the_rights_are_asked_again(house: House) -> None:
    await house.ann.post(AGENTS, BODY, idempotency_key="k")

    nobody = await house.nobody.post(AGENTS, BODY, idempotency_key="k")
    vic = await house.vic.post(AGENTS, BODY, idempotency_key="k")

    nobody.as_problem(401, "unauthenticated")
    vic.as_problem(403, "forbidden")


@pytest.mark.parametrize(
    "key", ["", " ", '""', '" "', "a b", '"a b"', "a" * 256, f'"{"a" * 256}"', "é", "a\tb"]
)
async def test_a_key_that_is_none_is_refused(house: House, key: str) -> None:
    for path, body in ((AGENTS, BODY), ("/api/v1/chat", {"message": "hi"})):
        answer = await house.ann.post(path, body, idempotency_key=key)

        answer.as_problem(400, "invalid_request")


@pytest.mark.parametrize("key", ["a", '"a"', "a" * 255, '"' + "a" * 255 + '"', "!~'", '"\\"\\\\"'])
async def test_a_key_is_visible_ascii(house: House, key: str) -> None:
    first = await house.ann.post(AGENTS, BODY, idempotency_key=key)

    assert first.status == 201
    assert (await house.ann.post(AGENTS, BODY, idempotency_key=key)).body == first.body


async def test_while_the_first_is_at_work_others_are_told_so(house: House) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    tools = await house.container.get(Tools)
    assert isinstance(tools, FunctionTools)
    function = tools._functions["current_time"]

    async def held(*_: Any) -> str:
        begun.set()
        await go_on.wait()
        return "noon"

    tools._functions["current_time"] = replace(function, call=held)
    body = {"name": "current_time", "arguments": {}}
    first = asyncio.create_task(house.ann.post("/api/v1/tools/execute", body, idempotency_key="k"))
    await begun.wait()

    second = await house.ann.post("/api/v1/tools/execute", body, idempotency_key="k")
    go_on.set()
    answer = await first
    third = await house.ann.post("/api/v1/tools/execute", body, idempotency_key="k")

    second.as_problem(409, "in_progress")
    assert second.headers["retry-after"] == "1"
    assert answer.json["result"] == "noon"
    assert third.body == answer.body


async def test_of_many_at_once_one_makes_it(house: House) -> None:
    answers = await asyncio.gather(
        *(house.ann.post(AGENTS, BODY, idempotency_key="k") for _ in range(20))
    )

    made = {answer.json["id"] for answer in answers if answer.status == 201}
    assert len(made) == 1
    assert {answer.status for answer in answers} <= {201, 409}


async def test_chat_stream_and_runs_are_one_route(house: House) -> None:
    body = {"message": "hi"}
    first = await house.ann.post("/api/v1/chat", body, idempotency_key="k")

    run = await house.ann.post("/api/v1/runs", body, idempotency_key="k")
    stream = await house.ann.post("/api/v1/chat/stream", body, idempotency_key="k")

    assert run.json["id"] == first.json["run_id"]
    assert stream.headers["content-location"] == f"/api/v1/runs/{first.json['run_id']}"
    assert run.headers["idempotent-replayed"] == stream.headers["idempotent-replayed"] == "true"
