"""Sockets by every kind of credential and carrier, and every frame about everybody's things."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import msgspec
import pytest
import pytest_asyncio

from polyagent.domain.account import User
from tests.api.client import Client
from tests.api.house import some_id, without
from tests.api.matrix.credentials import BAD, GOOD, Credential
from tests.api.matrix.rights import CHATS, verdict
from tests.api.matrix.test_smuggling import SMUGGLED
from tests.api.matrix.town import Town, port_town
from tests.api.sockets import Street, Talk

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLOSED = {401: 4401, 403: 4403}
PROTOCOL = "polyagent.v1"
PONG = {"type": "pong"}


class Place(NamedTuple):
    town: Town
    street: Street


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def port() -> AsyncIterator[Place]:
    async with port_town() as (town, street):
        yield Place(town, street)


async def _opens(talk: Talk) -> bool:
    return bool(await talk.asks("ping") == PONG)


async def _is(talk: Talk, code: int | None) -> bool:
    """Say whether the socket is closed with this code; None: whether it is open."""
    return await _opens(talk) if code is None else await talk.is_closed() == code


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")  # HS512
@pytest.mark.parametrize("credentials", [GOOD, BAD], ids=["good", "bad"])
async def test_a_socket_is_open_to_who_may_chat(
    port: Place, credentials: tuple[Credential, ...]
) -> None:
    for credential in credentials:
        refusal = verdict(CHATS, credential.bearer)
        code = CLOSED[refusal[0]] if refusal else None
        for given in ("header", "protocol", "frame"):
            token = await credential.make(port.town)
            if token is None:
                continue
            headers = {"Authorization": f"Bearer {token}"} if given == "header" else {}
            protocols = [PROTOCOL, f"bearer.{token}"] if given == "protocol" else []
            async with port.street.talk(headers=headers, protocols=protocols) as talk:
                if given == "frame":
                    await talk.says("auth", token=token)
                    assert code or await talk.hears() == {"type": "ok"}, credential.name
                assert await _is(talk, code), (credential.name, given)


async def test_a_socket_takes_credentials_nowhere_else(port: Place) -> None:
    root, town = await port.town.client(port.town.root), port.town
    key = await town.key(town.root, "chat")
    made = (await root.post("/api/v1/tickets", {"for": "/ws"})).json["ticket"]
    for secret in (root.token, key.secret, made):
        names = ("token", "access_token", "api_key", "authorization", "bearer", "protocol")
        asked: list[dict[str, Any]] = [{"path": f"/ws?{name}={secret}"} for name in names]
        asked += [{"headers": {"Cookie": f"{name}={secret}"}} for name in names]
        asked += [{"headers": {f"X-{name}": secret}} for name in ("API-Key", "Auth-Token")]
        asked += [{"protocols": each} for each in ([f"bearer.{secret}"], [PROTOCOL, str(secret)])]
        for given in asked:
            async with port.street.talk(**given) as talk:
                await talk.says("ping")
                assert await talk.is_closed() == 4401, given
    for secret in (root.token, key.secret):
        async with port.street.talk(path=f"/ws?ticket={secret}") as talk:
            assert await talk.is_closed() == 4401


async def test_a_ticket_opens_one_address_once(port: Place) -> None:
    ann = await port.town.client(port.town.ann)
    mine, another = [(await port.town.talk(port.town.ann)).session_id for _ in range(2)]
    theirs = (await port.town.talk(port.town.bob)).session_id
    tried = [
        ("/ws", "/ws", None),
        ("/ws", f"/ws/chat/{mine}", 4401),
        (f"/ws/chat/{mine}", f"/ws/chat/{mine}", None),
        (f"/ws/chat/{mine}", f"/ws/chat/{another}", 4401),
        (f"/ws/chat/{mine}", "/ws", 4401),
        (f"/ws/chat/{theirs}", f"/ws/chat/{theirs}", 4403),
        (f"/api/v1/runs/{mine}/events", "/ws", 4401),
    ]
    for made_for, path, code in tried:
        ticket = (await ann.post("/api/v1/tickets", {"for": made_for})).json["ticket"]
        async with port.street.talk(path=f"{path}?ticket={ticket}") as talk:
            assert await _is(talk, code), (made_for, path)
        async with port.street.talk(path=f"{path}?ticket={ticket}") as talk:
            assert await talk.is_closed() == 4401, (made_for, path)


async def _member(port: Place) -> Client:
    return await port.town.client(port.town.ann)


async def test_a_session_of_somebody_elses_is_closed_as_one_that_is_not_there(port: Place) -> None:
    talks = [await port.town.talk(owner) for owner in (port.town.bob, port.town.far)]
    for session_id in [*(talk.session_id for talk in talks), some_id()]:
        async with port.street.talk(await _member(port), f"/ws/chat/{session_id}") as talk:
            assert await talk.is_closed() == 4403


async def _mentions(town: Town, owner: User) -> list[tuple[str, str, Any]]:
    """Return frames, the field that names a thing, and the owner's thing."""
    talk, agent = await town.talk(owner), await town.agent(owner)
    return [
        ("watch", "run_id", talk.run_id),
        ("cancel", "run_id", talk.run_id),
        ("chat", "session_id", talk.session_id),
        ("chat", "agent_id", agent.id),
        ("chat", "document_ids", [talk.session_id]),
    ]


async def test_frames_about_what_is_anothers_are_told_what_is_not_there(port: Place) -> None:
    async with port.street.talk(await _member(port)) as talk:
        for owner in (port.town.bob, port.town.far):
            for kind, field, thing in await _mentions(port.town, owner):
                absent: Any = [some_id()] if isinstance(thing, list) else some_id()
                before = port.town.snapshot()
                told = [await _asked(talk, kind, field, each) for each in (thing, absent)]

                assert told[0] == told[1], (kind, field)
                assert '"code":"not_found"' in told[0], (kind, field)
                assert port.town.snapshot() == before, (kind, field)


async def _asked(talk: Talk, kind: str, field: str, thing: Any) -> str:
    """Return the answer as text, without the id that was asked about."""
    named = [str(each) for each in thing] if isinstance(thing, list) else str(thing)
    more = {"message": "hi"} if kind == "chat" else {}
    answer = await talk.asks(kind, id="x", **more, **{field: named})
    asked = named[0] if isinstance(named, list) else named
    return msgspec.json.encode(answer).decode().replace(asked, "<asked>")


async def test_unwatching_tells_nothing(port: Place) -> None:
    theirs = (await port.town.talk(port.town.bob)).run_id
    async with port.street.talk(await _member(port)) as talk:
        for run_id in (theirs, some_id()):
            assert await talk.asks("unwatch", run_id=str(run_id)) == {"type": "ok"}


async def test_frames_take_nothing_smuggled(port: Place) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "chat": {"message": "hi"},
        "watch": {"run_id": str(some_id())},
        "unwatch": {"run_id": str(some_id())},
        "cancel": {"run_id": str(some_id())},
        "auth": {"token": "x"},
        "ping": {},
    }
    before = port.town.snapshot()
    async with port.street.talk(await _member(port)) as talk:
        for kind, body in bodies.items():
            for name, value in without(SMUGGLED, "id").items():
                answer = await talk.asks(kind, **body, **{name: value})

                assert (answer["type"], answer.get("code")) == ("error", "invalid_request"), name
    after = port.town.snapshot()
    assert without(after, "families") == without(before, "families")  # it logged in


async def test_who_is_refused_a_socket_is_noted(port: Place) -> None:
    key = await port.town.key(port.town.bob, "agents:read")
    async with port.street.talk(port.town.house.nobody.with_token(key.secret)) as talk:
        assert await talk.is_closed() == 4403
    root = await port.town.client(port.town.root)

    entries = (await root.get("/api/v1/audit?limit=100")).json["items"]

    assert [
        (entry["object"], entry["outcome"])
        for entry in entries
        if entry["actor_id"] == str(port.town.bob.id) and entry["action"] == "request"
    ] == [("CONNECT /ws", "refused")]
