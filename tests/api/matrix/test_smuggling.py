"""What a body must not say: fields of answers, of other objects and of the server itself."""

from copy import deepcopy
from typing import Any

import pytest

from tests.api.matrix.document import Document, Path
from tests.api.matrix.requests import REQUESTS
from tests.api.matrix.rights import RIGHTS
from tests.api.matrix.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")

SMUGGLED: dict[str, Any] = {
    "id": "01990000-0000-7000-8000-000000000000",
    "role": "admin",
    "owner_id": "01990000-0000-7000-8000-000000000000",
    "user_id": "01990000-0000-7000-8000-000000000000",
    "workspace_id": "01990000-0000-7000-8000-000000000000",
    "version": 7,
    "created_at": "2020-01-01T00:00:00Z",
    "updated_at": "2020-01-01T00:00:00Z",
    "status": "active",
    "scopes": ["admin"],
    "builtin": True,
    "is_admin": True,
    "permission": "admin",
    "password_hash": "none",
    "session_version": 1,
    "secret": "pa_x_y",
    "secret_hash": "x",
    "prefix": "pa_x",
    "last_used_at": None,
    "family_id": None,
    "expires_in": 10**9,
    "attempt": 0,
    "epoch": 0,
    "hidden": False,
    "message_count": 0,
    "parent_id": None,
    "__class__": "Agent",
    "__proto__": {"role": "admin"},
    "$set": {"role": "admin"},
}


async def test_no_body_takes_what_its_schema_does_not_name(place: Town, document: Document) -> None:
    client = await place.client(place.root)
    tried = 0
    for operation in document.operations.values():
        if operation.body is None or operation.speaks_openai:
            continue
        ask = await REQUESTS[operation.id](place, place.root)
        closed = [*document.closed(operation.body, ask.json)]
        assert () in [at for at, _ in closed], operation.id
        before = place.snapshot()
        for at, names in closed:
            for name in SMUGGLED.keys() - names:
                smuggling = ask._replace(json=_with(ask.json, at, name))
                answer = await smuggling.by(client, operation)

                what = (operation.id, at, name, answer.status, answer.body)
                assert (answer.status, answer.json.get("code")) == (400, "invalid_request"), what
                assert answer.json["errors"][0]["pointer"] == _pointer(at, name), what
                tried += 1
        assert place.snapshot() == before, operation.id
    assert tried > 500


def _with(body: Any, at: Path, name: str) -> Any:
    copy = deepcopy(body)
    into = copy
    for step in at:
        into = into[step]
    into[name] = SMUGGLED[name]
    return copy


def _pointer(at: Path, name: str) -> str:
    return "#/" + "/".join(map(str, (*at, name)))


async def test_what_the_openai_front_ignores_changes_nothing(
    place: Town, document: Document
) -> None:
    """Official clients send fields of later versions, so unknown ones are no error there."""
    client = await place.client(place.ann)
    operation = document.operations["complete_chat"]
    ask = await REQUESTS[operation.id](place, place.ann)
    for name, value in SMUGGLED.items():
        answer = await ask.by(client, operation, json={**ask.json, name: value})

        assert answer.status == 200, (name, answer.body)
        run = (await client.get(f"/api/v1/runs/{answer.headers['x-run-id']}")).json
        assert (run["status"], run["parent_id"], run["attempt"]) == ("completed", None, 1), name
        assert str(SMUGGLED["id"]) not in (run["id"], run["agent_id"]), name


async def test_queries_smuggle_nothing(place: Town, document: Document) -> None:
    client = await place.client(place.ann)
    query = "&".join(f"{name}={value}" for name, value in SMUGGLED.items() if name != "status")
    for operation in document.operations.values():
        if operation.body is None or RIGHTS[operation.id].role is None:
            continue
        ask = await REQUESTS[operation.id](place, place.ann)
        answer = await client.request(
            operation.method, f"{ask.path(operation)}?{query}", json=ask.json
        )

        assert answer.status in operation.good or answer.status == 403, (operation.id, answer.body)
        assert SMUGGLED["id"] not in answer.body.decode(), operation.id


async def test_of_duplicate_keys_the_last_counts_and_no_check_sees_another(place: Town) -> None:
    client = await place.client(place.ann)
    theirs, mine = await place.agent(place.bob), await place.agent(place.ann)
    found = []
    for first, last in ((mine.id, theirs.id), (theirs.id, mine.id)):
        body = f'{{"message":"hi","agent_id":"{first}","agent_id":"{last}"}}'
        found.append(await client.request("POST", "/api/v1/chat", content=body.encode()))
    settings = '{"email":"x@y.example","settings":{"a":1,"a":2},"role":"admin","role":"member"}'
    smuggled = await client.request("PUT", "/api/v1/users/profile", content=settings.encode())
    kept = await client.request(
        "PUT",
        "/api/v1/users/profile",
        content=b'{"email":"x@y.example","settings":{"a":1,"a":2}}',
    )

    assert [answer.status for answer in found] == [404, 200]
    smuggled.as_problem(400, "invalid_request")
    assert kept.json["settings"] == {"a": 2}
