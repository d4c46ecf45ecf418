from typing import Any

import pytest

from tests.api.house import House, some_id


async def test_an_agent_is_made_read_listed_and_deleted(house: House) -> None:
    made = await house.ann.post("/api/v1/agents", {"name": "helper", "tools": ["calculator"]})
    path = made.headers["location"]

    read = await house.ann.get(path)
    listed = await house.ann.get("/api/v1/agents?limit=100")
    deleted = await house.ann.request("DELETE", path)
    again = await house.ann.request("DELETE", path)

    assert made.status == 201
    assert made.headers["etag"] == '"1"'
    assert path == f"/api/v1/agents/{made.json['id']}"
    assert read.json == made.json
    assert made.json in listed.json["items"]
    assert deleted.status == 204
    assert deleted.body == b""
    again.as_problem(404, "not_found")


async def test_put_replaces_and_patch_merges(house: House) -> None:
    agent = await house.agent(house.ann, description="old", metadata={"a": 1, "b": 2})
    path = f"/api/v1/agents/{agent['id']}"

    patched = await house.ann.request(
        "PATCH",
        path,
        content=b'{"description": null, "metadata": {"a": null, "c": 3}}',
        headers={"content_type": "application/merge-patch+json"},
    )
    replaced = await house.ann.request("PUT", path, json={"name": "other"})

    assert patched.headers["etag"] == '"2"'
    assert patched.json["description"] is None
    assert patched.json["metadata"] == {"b": 2, "c": 3}
    assert replaced.headers["etag"] == '"3"'
    assert replaced.json["name"] == "other"
    assert replaced.json["metadata"] == {}


async def test_versions_are_kept_and_restored(house: House) -> None:
    agent = await house.agent(house.ann, instructions="first")
    path = f"/api/v1/agents/{agent['id']}"
    await house.ann.request("PATCH", path, json={"instructions": "second"})

    versions = await house.ann.get(f"{path}/versions?order=asc")
    restored = await house.ann.post(f"{path}/versions/1/restore")

    assert [version["instructions"] for version in versions.json["items"]] == ["first", "second"]
    assert restored.status == 200
    assert restored.headers["etag"] == '"3"'
    assert restored.json["instructions"] == "first"


@pytest.mark.parametrize("number", ["9", "0", "-1", "99999999999999999999", "x"])
async def test_a_version_that_never_was_is_not_found(house: House, number: str) -> None:
    agent = await house.agent(house.ann)

    answer = await house.ann.post(f"/api/v1/agents/{agent['id']}/versions/{number}/restore")

    answer.as_problem(404, "not_found")


@pytest.mark.parametrize(
    ("if_match", "status"),
    [
        ('"1"', 200),
        ("1", 200),
        ('W/"1"', 200),
        ('"0", "1"', 200),
        ('"1","7"', 200),
        ("*", 200),
        ('"0"', 412),
        ('"2"', 412),
        ('"01"', 412),
        ('""', 412),
        ("01", 412),
        ('"99999999999999999999"', 412),
        ('"７"', 412),
        ("", 400),
        ('"1', 400),
        ("one", 400),
        (", ,", 400),
        ('"1" "2"', 400),
        ("-1", 400),
    ],
)
async def test_if_match_refuses_a_lost_update_and_garbage(
    house: House, if_match: str, status: int
) -> None:
    agent = await house.agent(house.ann)
    line = if_match.encode().decode("latin-1")  # headers are bytes

    answer = await house.ann.request(
        "PATCH",
        f"/api/v1/agents/{agent['id']}",
        json={"description": "new"},
        headers={"if_match": line},
    )

    now = (await house.ann.get(f"/api/v1/agents/{agent['id']}")).json["version"]
    assert answer.status == status, answer.body
    assert now == (2 if status == 200 else 1)


async def test_if_match_may_come_in_two_lines(house: House) -> None:
    agent = await house.agent(house.ann)
    path = f"/api/v1/agents/{agent['id']}"

    twice = await house.ann.request(
        "PATCH", path, json={}, also=(("if-match", '"1"'), ("if-match", '"1"'))
    )
    other = await house.ann.request(
        "PATCH", path, json={}, also=(("if-match", '"8"'), ("if-match", '"9"'))
    )

    assert twice.status == 200
    other.as_problem(412, "precondition_failed")


@pytest.mark.parametrize(
    ("method", "tail", "body"),
    [("PUT", "", {"name": "x"}), ("DELETE", "", None), ("POST", "/versions/1/restore", None)],
)
async def test_every_change_honours_if_match(
    house: House, method: str, tail: str, body: Any
) -> None:
    agent = await house.agent(house.ann)

    answer = await house.ann.request(
        method,
        f"/api/v1/agents/{agent['id']}{tail}",
        json=body,
        headers={"if_match": '"5"'},
    )

    answer.as_problem(412, "precondition_failed")


async def test_other_users_agents_look_as_if_they_were_not_there(house: House) -> None:
    agent = await house.agent(house.ann)

    for method, tail, body in (
        ("GET", "", None),
        ("PUT", "", {"name": "mine"}),
        ("PATCH", "", {"name": "mine"}),
        ("DELETE", "", None),
        ("GET", "/versions", None),
        ("POST", "/versions/1/restore", None),
    ):
        absent = str(some_id())
        hers, none = [
            await house.bob.request(method, f"/api/v1/agents/{agent_id}{tail}", json=body)
            for agent_id in (agent["id"], absent)
        ]

        hers.as_problem(404, "not_found")
        assert hers.told(agent["id"]) == none.told(absent)


async def test_a_shared_agent_is_seen_but_not_changed_by_others(house: House) -> None:
    agent = await house.agent(house.ann, visibility="shared")
    path = f"/api/v1/agents/{agent['id']}"

    seen = await house.bob.get(path)
    changed = await house.bob.request("PATCH", path, json={"name": "mine"})
    by_admin = await house.root.request("PATCH", path, json={"description": "checked"})

    assert seen.status == 200
    changed.as_problem(403, "forbidden")
    assert by_admin.status == 200


async def test_an_unknown_tool_is_pointed_at(house: House) -> None:
    answer = await house.ann.post("/api/v1/agents", {"name": "x", "tools": ["calculator", "drill"]})

    problem = answer.as_problem(422, "tool_unknown")
    assert problem["errors"][0]["pointer"] == "#/tools/1"


async def test_a_name_is_unique_per_owner(house: House) -> None:
    await house.agent(house.ann)

    again = await house.ann.post("/api/v1/agents", {"name": "helper"})
    of_bob = await house.bob.post("/api/v1/agents", {"name": "helper"})

    again.as_problem(409, "name_taken")
    assert of_bob.status == 201


async def test_lists_are_read_page_by_page_along_their_links(house: House) -> None:
    for n in range(5):
        await house.agent(house.ann, name=f"agent {n}")
    seen: list[str] = []
    path: str | None = "/api/v1/agents?limit=2&order=asc"

    while path:
        answer = await house.ann.get(path)
        seen += [agent["name"] for agent in answer.json["items"]]
        link = answer.headers.get("link")
        assert (link is None) == (answer.json["next_cursor"] is None)
        path = link.removeprefix("<").removesuffix('>; rel="next"') if link else None

    assert seen[-5:] == [f"agent {n}" for n in range(5)]
    assert len(set(seen)) == len(seen) == 8


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "order=up", "cursor=%21%21"])
async def test_a_page_that_cannot_be_is_refused(house: House, query: str) -> None:
    answer = await house.ann.get(f"/api/v1/agents?{query}")

    code = "cursor_invalid" if query.startswith("cursor") else "invalid_request"
    problem = answer.as_problem(400, code)
    assert query.startswith("cursor") or query.partition("=")[0] in problem["detail"]


async def test_unknown_query_parameters_are_ignored(house: House) -> None:
    answer = await house.ann.get("/api/v1/agents?colour=blue")

    assert answer.status == 200
