"""Who may open a socket, and for how long."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec
import pytest
from websockets.exceptions import InvalidStatus

from polyagent.adapters.http.socket import credentials, keeper
from polyagent.adapters.memory.clock import ManualClock
from polyagent.adapters.memory.provider import ManualClockProvider
from polyagent.domain.account import Actor
from polyagent.ports.store import Store
from polyagent.ports.vault import TokenRing
from polyagent.settings import Server
from tests.api.client import Client
from tests.api.house import SETTINGS, House, some_id
from tests.api.sockets import Street, street
from tests.api.test_socket_trouble import in_time, passes

ALLOWED = "https://app.example.com"


@pytest.fixture
async def town() -> AsyncIterator[Street]:
    server = Server(cors_origins=(ALLOWED,))
    async with street(msgspec.structs.replace(SETTINGS, server=server)) as town:
        yield town


@pytest.fixture
async def slow_town() -> AsyncIterator[tuple[Street, ManualClock]]:
    async with street(SETTINGS, ManualClockProvider()) as town:
        yield town, await town.house.container.get(ManualClock)


Slow = tuple[Street, ManualClock]


async def user_of(client: Client) -> UUID:
    return UUID((await client.get("/api/v1/users/profile")).json["id"])


async def token_for(house: House, client: Client, lifetime_s: int) -> str:
    ring = await house.container.get(TokenRing)
    token, _ = ring.issue(await user_of(client), 1, lifetime_s=lifetime_s)
    return str(token)


async def test_the_token_may_come_as_a_subprotocol_and_is_never_said_back(town: Street) -> None:
    protocols = ["polyagent.v1", f"bearer.{town.house.ann.token}"]

    async with town.talk(protocols=protocols) as talk:
        assert talk.protocol == "polyagent.v1"
        assert await talk.asks("ping") == {"type": "pong"}


async def test_the_token_may_come_in_the_first_frame(town: Street) -> None:
    async with town.talk(protocols=["polyagent.v1"]) as talk:
        answer = await talk.asks("auth", id="a", token=town.house.ann.token)

        assert answer == {"type": "ok", "reply_to": "a"}
        assert await talk.asks("ping") == {"type": "pong"}


async def test_the_ticket_opens_one_socket(town: Street) -> None:
    made = await town.house.ann.post("/api/v1/tickets", {"for": "/ws"})
    path = f"/ws?ticket={made.json['ticket']}"

    async with town.talk(path=path) as talk:
        assert await talk.asks("ping") == {"type": "pong"}
    async with town.talk(path=path) as talk:
        assert await talk.is_closed() == 4401


async def test_a_ticket_of_another_address_opens_nothing(town: Street) -> None:
    made = await town.house.ann.post("/api/v1/tickets", {"for": f"/ws/chat/{some_id()}"})

    async with town.talk(path=f"/ws?ticket={made.json['ticket']}") as talk:
        assert await talk.is_closed() == 4401


async def test_bad_credentials_close_the_socket(town: Street) -> None:
    bad: list[dict[str, Any]] = [
        {"headers": {"Authorization": "Bearer nonsense"}},
        {"headers": {"Authorization": "Basic YTpi"}},
        {"path": "/ws?ticket=nonsense"},
        {"path": f"/ws?token={town.house.ann.token}", "headers": {"Authorization": ""}},
        {"protocols": ["polyagent.v1", "bearer.nonsense"]},
    ]
    for given in bad:
        async with town.talk(**given) as talk:
            assert await talk.is_closed() == 4401, given


@pytest.mark.parametrize(
    "frame",
    ['{"type":"ping"}', '{"type":"auth","token":"x"}', '{"type":"auth"}', "garbage", b"\xff"],
)
async def test_nothing_is_obeyed_before_a_good_auth_frame(town: Street, frame: str | bytes) -> None:
    async with town.talk() as talk:
        await talk.sends(frame)

        assert await talk.is_closed() == 4401


async def test_somebody_who_does_not_say_who_he_is_has_ten_seconds(slow_town: Slow) -> None:
    town, clock = slow_town
    async with town.talk() as talk:
        closed = asyncio.create_task(talk.is_closed())
        await passes(clock, keeper.FIRST_FRAME_S - 1)
        assert not closed.done()

        assert await in_time(clock, closed) == 4401


async def test_a_token_that_ran_out_closes_its_socket_after_a_minute(slow_town: Slow) -> None:
    town, clock = slow_town
    house = town.house
    token = await token_for(house, house.ann, 30)
    async with town.talk(house.nobody.with_token(token)) as talk:
        closed = asyncio.create_task(talk.is_closed())
        await passes(clock, 30 + credentials.GRACE_S - 2)
        assert not closed.done()

        assert await in_time(clock, closed) == 4401


async def test_a_later_auth_frame_renews(slow_town: Slow) -> None:
    town, clock = slow_town
    house = town.house
    short, long = [await token_for(house, house.ann, s) for s in (30, 3600)]
    async with town.talk(house.nobody.with_token(short)) as talk:
        assert await talk.asks("auth", token=long) == {"type": "ok"}
        await passes(clock, 30 + credentials.GRACE_S + 10)

        assert await talk.asks("ping") == {"type": "pong"}


async def test_a_bad_renewal_changes_nothing(town: Street) -> None:
    async with town.talk(town.house.ann) as talk:
        nonsense = await talk.asks("auth", id=1, token="nonsense")
        another = await talk.asks("auth", id=2, token=town.house.bob.token)

        assert (nonsense["code"], nonsense["reply_to"]) == ("unauthenticated", 1)
        assert (another["code"], another["reply_to"]) == ("forbidden", 2)
        assert await talk.asks("ping") == {"type": "pong"}


async def test_a_revoked_token_closes_its_open_sockets(slow_town: Slow) -> None:
    town, clock = slow_town
    house = town.house
    async with town.talk(house.ann) as talk:
        assert await talk.asks("ping") == {"type": "pong"}
        store, ann = await house.container.get(Store), await user_of(house.ann)
        async with store.begin(Actor.system()) as tx:
            await tx.accounts.set_password(ann, "another")
        closed = asyncio.create_task(talk.is_closed())

        assert await in_time(clock, closed) == 4401


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", "file://", "http://localhost:1", "x"]
)
async def test_pages_of_other_sites_are_refused_before_the_upgrade(
    town: Street, origin: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with town.talk(town.house.ann, headers={"Origin": origin}):
            pass

    assert refused.value.response.status_code == 403
    assert msgspec.json.decode(refused.value.response.body)["code"] == "forbidden"


async def test_pages_of_ours_and_of_allowed_sites_may_open_sockets(town: Street) -> None:
    for origin in (ALLOWED, f"http://127.0.0.1:{town.port}", f"https://127.0.0.1:{town.port}"):
        async with town.talk(town.house.ann, headers={"Origin": origin}) as talk:
            assert await talk.asks("ping") == {"type": "pong"}


async def test_an_address_that_is_none_opens_nothing(town: Street) -> None:
    for path in ("/ws/nothing", "/ws/chat/not-an-id", "/wss"):
        with pytest.raises(InvalidStatus) as refused:
            async with town.talk(town.house.ann, path):
                pass

        assert refused.value.response.status_code == 404
        assert refused.value.response.headers["x-request-id"]
        assert msgspec.json.decode(refused.value.response.body)["code"] == "not_found"


async def test_a_viewer_may_chat_over_a_socket(town: Street) -> None:
    async with town.talk(town.house.vic) as talk:
        await talk.says("chat", message="hi")
        assert (await talk.hears_until("run.completed"))[-1]["type"] == "run.completed"
