"""What an agent may be called, may name and may say, and the ones that are built in."""

from typing import Any

import pytest

from polyagent.domain.chat import text_of
from tests.api.house import House

AGENTS = "/api/v1/agents"


async def builtin(house: House, kind: str = "general") -> tuple[str, Any]:
    listed = (await house.root.get(f"{AGENTS}?limit=100")).json["items"]
    (agent,) = [agent for agent in listed if agent["builtin"] and agent["type"] == kind]
    return f"{AGENTS}/{agent['id']}", agent


async def test_a_builtin_agent_is_changed_by_administrators_alone(house: House) -> None:
    path, _ = await builtin(house)

    by_ann = await house.ann.request("PATCH", path, json={"instructions": "Rhyme."})
    by_root = await house.root.request("PATCH", path, json={"instructions": "Rhyme."})
    await house.chat(house.ann)
    restored = await house.root.post(f"{path}/versions/1/restore")
    await house.chat(house.ann)

    by_ann.as_problem(403, "forbidden")
    assert by_root.json["version"] == 2
    assert restored.json["version"] == 3
    first, second = [text_of(prompt.messages[0].parts) for prompt in house.models.prompts]
    assert (first, second) == ("Rhyme.", restored.json["instructions"])


@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        ({"name": "mine"}, ["#/name"]),
        ({"type": "custom"}, ["#/type"]),
        ({"visibility": "private"}, ["#/visibility"]),
        ({"name": "mine", "type": "code"}, ["#/name", "#/type"]),
    ],
)
async def test_what_a_builtin_agent_is_asked_for_by_stays(
    house: House, change: Any, pointers: list[str]
) -> None:
    path, agent = await builtin(house)

    by_root = await house.root.request("PATCH", path, json=change)
    by_ann = await house.ann.request("PATCH", path, json=change)

    problem = by_root.as_problem(409, "conflict")
    assert [fault["pointer"] for fault in problem["errors"]] == pointers
    by_ann.as_problem(403, "forbidden")
    assert (await house.root.get(path)).json == agent


async def test_a_builtin_agent_cannot_be_deleted_but_put_to_rest(house: House) -> None:
    path, _ = await builtin(house)

    by_root = await house.root.request("DELETE", path)
    by_ann = await house.ann.request("DELETE", path)
    await house.root.request("PATCH", path, json={"status": "inactive"})
    asked = await house.chat(house.ann)

    by_root.as_problem(409, "conflict")
    by_ann.as_problem(403, "forbidden")
    asked.as_problem(409, "agent_inactive")


@pytest.mark.parametrize(
    ("given", "kept"),
    [("  helper ", "helper"), ("\u00a0helper\n", "helper"), ("cafe\u0301", "caf\u00e9")],
)
async def test_names_that_look_alike_are_one(house: House, given: str, kept: str) -> None:
    first = await house.agent(house.ann, name=given)
    other = await house.agent(house.ann, name="other")

    again = await house.ann.post(AGENTS, {"name": kept})
    renamed = await house.ann.request("PATCH", f"{AGENTS}/{other['id']}", json={"name": given})

    assert first["name"] == kept
    again.as_problem(409, "name_taken")
    renamed.as_problem(409, "name_taken")


async def test_case_tells_names_apart(house: House) -> None:
    names = [(await house.agent(house.ann, name=name))["name"] for name in ("helper", "Helper")]

    assert names == ["helper", "Helper"]


async def test_an_agent_may_keep_its_name(house: House) -> None:
    agent = await house.agent(house.ann, name="helper")

    kept = await house.ann.request("PUT", f"{AGENTS}/{agent['id']}", json={"name": " helper"})

    assert (kept.status, kept.json["name"]) == (200, "helper")


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"model": "gpt-none"}, "model_unknown", "#/model"),
        ({"tools": ["calculator", "drill"]}, "tool_unknown", "#/tools/1"),
        ({"approval": {"a/b": "always"}}, "tool_unknown", "#/approval/a~1b"),
    ],
)
async def test_unknown_names_are_pointed_at(
    house: House, body: dict[str, Any], code: str, pointer: str
) -> None:
    house.models.known = frozenset({"gpt-known"})
    agent = await house.agent(house.ann, name="other", model="gpt-known")
    path = f"{AGENTS}/{agent['id']}"

    for answer in (
        await house.ann.post(AGENTS, {"name": "x", **body}),
        await house.ann.request("PUT", path, json={"name": "x", **body}),
        await house.ann.request("PATCH", path, json=body),
    ):
        problem = answer.as_problem(422, code)
        assert [fault["pointer"] for fault in problem["errors"]] == [pointer]


async def test_a_model_is_pointed_at_where_it_was_named(house: House) -> None:
    agent = await house.agent(house.ann, model="gpt-4")
    house.models.known = frozenset()

    asked = await house.chat(house.ann, model="gpt-none")
    of_agent = await house.chat(house.ann, agent_id=agent["id"])

    assert asked.as_problem(422, "model_unknown")["errors"][0]["pointer"] == "#/model"
    assert not of_agent.as_problem(422, "model_unknown").get("errors")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"limits": {"steps": 3}}, "#/limits/steps"),
        ({"limits": {"max_steps": 0}}, "#/limits/max_steps"),
        ({"limits": {"max_steps": 2.5}}, "#/limits/max_steps"),
        ({"limits": {"timeout_s": 0}}, "#/limits/timeout_s"),
        ({"limits": {"budget": -1}}, "#/limits/budget"),
        ({"limits": {"budget": 1e300}}, "#/limits/budget"),
        ({"model_settings": {"temprature": 1}}, "#/model_settings/temprature"),
        ({"model_settings": {"top_p": 2}}, "#/model_settings/top_p"),
        ({"model_settings": {"stop": "x"}}, "#/model_settings/stop"),
        ({"status": "asleep"}, "#/status"),
        ({"visibility": "public"}, "#/visibility"),
        ({"in_doubt": "maybe"}, "#/in_doubt"),
        ({"approval": {"calculator": "sometimes"}}, "#/approval"),
        ({"owner_id": "x"}, "#/owner_id"),
        ({"version": 7}, "#/version"),
        ({"builtin": True}, "#/builtin"),
    ],
)
async def test_what_no_agent_can_have_is_pointed_at(
    house: House, body: dict[str, Any], pointer: str
) -> None:
    answer = await house.ann.post(AGENTS, {"name": "x", **body})

    problem = answer.as_problem(400, "invalid_request")
    assert problem["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("body", [{"in_doubt": "ask"}, {"handoffs": []}])
async def test_what_comes_later_is_told_from_mistakes(house: House, body: dict[str, Any]) -> None:
    agent = await house.agent(house.ann)
    path = f"{AGENTS}/{agent['id']}"

    for method, at in (("POST", AGENTS), ("PUT", path), ("PATCH", path)):
        answer = await house.ann.request(method, at, json={"name": "x", **body})

        problem = answer.as_problem(422, "not_supported")
        assert problem["errors"][0]["pointer"] == f"#/{next(iter(body))}"


async def test_settings_of_the_ask_go_over_those_of_the_agent(house: House) -> None:
    agent = await house.agent(
        house.ann, model_settings={"temperature": 0.1, "seed": 7, "stop": ["a"]}
    )

    await house.chat(
        house.ann, agent_id=agent["id"], model_settings={"temperature": 0.9, "stop": ["b", "c"]}
    )

    sent = house.models.prompts[0].settings
    assert (sent.temperature, sent.seed, sent.stop, sent.top_p) == (0.9, 7, ("b", "c"), None)
