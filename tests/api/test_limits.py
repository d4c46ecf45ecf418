"""How often, and how much at once."""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import pytest

from polyagent.settings import Limits, Server, Settings
from tests.api.client import LIMIT_S, Client
from tests.api.house import DRAIN_S, SETTINGS, House, some_id
from tests.api.sockets import street

AGENTS = "/api/v1/agents"
LOGIN = "/api/v1/users/login"


def limited(**limits: int) -> AbstractAsyncContextManager[House]:
    return House(_settings((), **limits)).open()


def _settings(proxies: tuple[str, ...], **limits: int) -> Settings:
    server = Server(drain_s=DRAIN_S, trusted_proxies=proxies)
    return msgspec.structs.replace(SETTINGS, server=server, limits=Limits(**limits))


async def test_what_is_left_is_told_and_refused_when_nothing_is() -> None:
    async with limited(user_requests=600) as house:
        first = await house.ann.get(AGENTS)
        answers = [await house.ann.get(AGENTS)]
        while answers[-1].status == 200:  # more may pass meanwhile: ten a second
            answers.append(await house.ann.get(AGENTS))
        bob = await house.bob.get(AGENTS)
        health = await house.ann.get("/health")

    refused = answers[-1]
    assert first.headers["ratelimit-policy"] == '"user";q=600;w=60'
    assert first.headers["ratelimit"] == '"user";r=599;t=1'
    assert len(answers) >= 600
    refused.as_problem(429, "rate_limited")
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["ratelimit"] in ('"user";r=0;t=60', '"user";r=0;t=61')
    assert bob.status == health.status == 200
    assert "ratelimit" not in health.headers


async def test_an_address_has_its_own_limit_before_anybody_is_known() -> None:
    async with limited(address_requests=5) as house:
        answers = [await house.nobody.get(AGENTS) for _ in range(6)]
        known = await house.ann.get(AGENTS)
        elsewhere = await house.nobody.get("/nowhere/at/all")
        health = [await house.nobody.get("/health/live") for _ in range(10)]

    assert [answer.status for answer in answers] == [401] * 5 + [429]
    answers[-1].as_problem(429, "rate_limited")
    assert answers[-1].headers["ratelimit-policy"] == '"address";q=5;w=60'
    assert known.status == elsewhere.status == 429
    assert {answer.status for answer in health} == {200}


async def test_behind_a_proxy_addresses_are_told_apart() -> None:
    async with House(_settings(("127.0.0.1",), address_requests=2)).open() as house:
        one = [await house.nobody.get(AGENTS, x_forwarded_for="192.0.2.1") for _ in range(3)]
        spoofed = await house.nobody.get(AGENTS, x_forwarded_for="192.0.2.9, 192.0.2.1")
        other = await house.nobody.get(AGENTS, x_forwarded_for="192.0.2.2")
        network = [
            await house.nobody.get(AGENTS, x_forwarded_for=f"2001:db8::{n}") for n in range(3)
        ]

    assert [answer.status for answer in one] == [401, 401, 429]
    assert spoofed.status == 429
    assert other.status == 401
    assert [answer.status for answer in network] == [401, 401, 429]


async def test_logins_that_fail_are_few_and_others_many() -> None:
    async with limited(failed_logins=3) as house:
        await house.root.post(
            "/api/v1/users", {"username": "eve", "email": "e@e.example", "password": "open sesame"}
        )
        right = {"username": "eve", "password": "open sesame"}
        good = [await house.nobody.post("/api/v1/users/login", right) for _ in range(4)]
        wrong = {"username": "eve", "password": "wrong"}
        bad = [await house.nobody.post("/api/v1/users/login", wrong) for _ in range(4)]
        aside = [
            await house.nobody.post(path, wrong)
            for path in ("/api/v1/users/login/", "/api/v1/users//login", "//api/v1/users/login")
        ]
        other = await house.ann.get(AGENTS)

    assert {answer.status for answer in aside} == {429}
    assert [answer.status for answer in good] == [200] * 4
    assert [answer.status for answer in bad] == [401, 401, 401, 429]
    assert bad[-1].as_problem(429, "rate_limited")
    assert int(bad[-1].headers["retry-after"]) <= 20
    assert other.status == 200


async def test_an_end_user_has_a_limit_within_its_application() -> None:
    async with limited(end_user_requests=2) as house:
        one = [await house.chat(house.ann, end_user="one") for _ in range(3)]
        two = await house.chat(house.ann, end_user="two")
        bobs = await house.chat(house.bob, end_user="one")

    assert [answer.status for answer in one] == [200, 200, 429]
    assert one[-1].headers["ratelimit-policy"] == '"end_user";q=2;w=60'
    assert two.status == bobs.status == 200


async def test_a_key_has_a_limit_within_its_user() -> None:
    async with limited(key_requests=2, user_requests=5) as house:
        keys = [await _key(house.ann) for _ in range(2)]  # two requests of ann's
        one, two = (house.nobody.with_token(key) for key in keys)
        ones = [await one.get(AGENTS) for _ in range(3)]
        twos = await two.get(AGENTS)
        more = await two.get(AGENTS)
        anns = await house.ann.get(AGENTS)
        told = await house.nobody.get("/metrics")

    assert [answer.status for answer in ones] == [200, 200, 429]
    assert ones[0].headers["ratelimit-policy"] == '"key";q=2;w=60'
    assert ones[0].headers["ratelimit"].startswith('"key";r=1;')
    assert "this key" in ones[-1].as_problem(429, "rate_limited")["detail"]
    assert twos.headers["ratelimit-policy"] == '"user";q=5;w=60'
    assert more.headers["ratelimit-policy"] == anns.headers["ratelimit-policy"]
    assert (twos.status, more.status, anns.status) == (200, 429, 429)
    assert b'polyagent_limited_total{limit="key"} 1.0' in told.body


async def _key(client: Client) -> str:
    answer = await client.post("/api/v1/api-keys", {"name": "x", "scopes": ["chat", "agents:read"]})
    return str(answer.json["secret"])


async def test_messages_by_socket_count_for_their_key() -> None:
    async with street(_settings((), key_requests=1)) as town:
        key = town.house.nobody.with_token(await _key(town.house.ann))
        async with town.talk(key) as talk:
            await talk.says("chat", message="hi")
            await talk.hears_until("run.completed")
            refused = await talk.asks("chat", message="hi", id="mine")

    assert refused["code"] == "rate_limited"


async def test_streams_open_at_once_are_limited_not_how_often() -> None:
    async with limited(streams=2, user_requests=10, address_requests=10) as house:
        run = (await house.chat(house.ann)).json["run_id"]
        events = f"/api/v1/runs/{run}/events"
        often = [await house.ann.get(events) for _ in range(30)]
        house.models.gate.clear()
        body = {"message": "hi"}
        async with (
            house.ann.exchange("POST", "/api/v1/chat/stream", json=body) as one,
            house.ann.exchange("POST", "/api/v1/chat/stream", json=body) as two,
        ):
            third = await house.ann.post("/api/v1/chat/stream", body)
            bobs = await house.bob.get(AGENTS)
        again = await house.ann.get(events)

    assert {answer.status for answer in often} == {200}
    assert "ratelimit" not in often[0].headers
    assert [one.status, two.status] == [200, 200]
    third.as_problem(429, "limited")
    assert third.headers["retry-after"]
    assert bobs.status == 200
    assert again.status == 200


async def test_who_asks_for_streams_that_are_none_is_limited_like_everybody() -> None:
    nothing = f"/api/v1/runs/{some_id()}/events"
    async with limited(address_requests=9, user_requests=3) as house:
        run = (await house.chat(house.ann)).json["run_id"]
        events = f"/api/v1/runs/{run}/events"
        bobs = [await house.bob.get(nothing) for _ in range(4)]
        anns = [await house.ann.get(events, accept="application/*") for _ in range(3)]
        late = await house.ann.get(events)
        strangers = await house.nobody.get(nothing)

    assert [answer.status for answer in bobs] == [404] * 3 + [429]
    bobs[-1].as_problem(429, "rate_limited")
    assert [answer.status for answer in anns] == [200, 200, 429]
    assert late.status == strangers.status == 429


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/chat", {"message": "hi"}),
        (
            "/v1/chat/completions",
            {"model": "agent/general", "messages": [{"role": "user", "content": "hi"}]},
        ),
    ],
)
async def test_who_waits_for_one_run_again_and_again_has_so_many_open(
    path: str, body: dict[str, Any]
) -> None:
    async with limited(streams=2) as house:
        house.models.gate.clear()
        waiting = [asyncio.create_task(house.ann.post(path, body, idempotency_key="one"))]
        async with asyncio.timeout(LIMIT_S):
            await house.models.asked.wait()
        waiting += [
            asyncio.create_task(house.ann.post(path, body, idempotency_key="one")) for _ in range(3)
        ]
        async with asyncio.timeout(LIMIT_S):
            (refused,), _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        house.models.gate.set()
        answers = await asyncio.gather(*waiting)

    assert refused.result().status == 429
    assert sorted(answer.status for answer in answers) == [200, 200, 200, 429]


async def test_polled_events_count_as_requests() -> None:
    async with limited(user_requests=5) as house:
        run = (await house.chat(house.ann)).json["run_id"]
        answers = [
            await house.ann.get(f"/api/v1/runs/{run}/events", accept="application/json")
            for _ in range(5)
        ]

    assert [answer.status for answer in answers] == [200] * 4 + [429]


async def test_sockets_of_a_user_are_limited() -> None:
    async with street(_settings((), user_sockets=1, user_requests=3)) as town:
        async with town.talk(town.house.ann) as talk:
            async with town.talk(town.house.ann) as second:
                assert await second.is_closed() == 4429
            async with town.talk(town.house.bob) as bobs:
                assert await bobs.asks("ping") == {"type": "pong"}
            assert await talk.asks("ping") == {"type": "pong"}
        async with town.talk(town.house.ann) as again:
            assert await again.asks("ping") == {"type": "pong"}


async def test_strangers_of_one_address_leave_sockets_to_others() -> None:
    async with (
        street(_settings((), sockets=8)) as town,
        town.talk() as one,
        town.talk() as two,
        town.talk() as third,
    ):
        assert await third.is_closed() == 4429
        assert (await one.asks("auth", token=town.house.ann.token))["type"] == "ok"
        async with town.talk() as fourth, town.talk(town.house.bob) as bobs:
            assert (await fourth.asks("auth", token=town.house.ann.token))["type"] == "ok"
            assert await bobs.asks("ping") == {"type": "pong"}
        assert (await two.asks("auth", token=town.house.ann.token))["type"] == "ok"


async def test_messages_by_socket_count_too() -> None:
    async with (
        street(_settings((), user_requests=2)) as town,
        town.talk(town.house.ann) as talk,
    ):
        for _ in range(2):
            await talk.says("chat", message="hi")
            await talk.hears_until("run.completed")
        refused = await talk.asks("chat", message="hi", id="mine")

    assert (refused["code"], refused["retryable"]) == ("rate_limited", True)
    assert refused["reply_to"] == "mine"


async def test_runs_of_a_user_over_its_most_wait_for_their_turn() -> None:
    async with limited(user_runs=2, user_requests=100_000, address_requests=100_000) as house:
        house.models.gate.clear()
        asked = [
            (await house.ann.post("/api/v1/runs", {"message": "hi"})).json["id"] for _ in range(5)
        ]
        chats = [asyncio.create_task(house.chat(house.ann)) for _ in range(3)]
        running: list[Any] = []
        async with asyncio.timeout(LIMIT_S):
            while len(running) < 2:
                running = await _runs(house.ann, "running")
            bobs = asyncio.create_task(house.chat(house.bob))
            while not await _runs(house.bob, "running"):
                pass
            while len(await _runs(house.ann, "queued")) < 6:
                pass
        still = await _runs(house.ann, "running")
        house.models.gate.set()
        answers = await asyncio.gather(*chats, bobs)
        ended = [await house.ann.get(f"/api/v1/runs/{run}/events") for run in asked]

    assert len(running) == len(still) == 2
    assert {answer.json["status"] for answer in answers} == {"completed"}
    assert all(b"run.completed" in events.body for events in ended)


async def _runs(client: Client, status: str) -> Any:
    return (await client.get(f"/api/v1/runs?status={status}")).json["items"]


async def test_a_process_that_has_much_to_do_says_so() -> None:
    async with limited(requests=2) as house:
        house.models.gate.clear()
        body = {"message": "hi"}
        async with house.ann.exchange("POST", "/api/v1/chat/stream", json=body) as one:
            member = await house.ann.get(AGENTS)
            admin = await house.root.get(AGENTS)
            async with house.root.exchange("POST", "/api/v1/chat/stream", json=body):
                full = await house.root.get(AGENTS)
                health = await house.nobody.get("/health")
                metrics = await house.nobody.get("/metrics")
        after = await house.ann.get(AGENTS)

    assert one.status == 200
    for refused in (member, full):
        refused.as_problem(503, "overloaded")
        assert refused.headers["retry-after"] == "1"
    assert admin.status == health.status == metrics.status == after.status == 200


async def test_strangers_whose_bodies_are_awaited_keep_no_administrator_out() -> None:
    awaited = asyncio.Semaphore(0)

    async def silent() -> Any:
        awaited.release()
        await asyncio.Event().wait()

    async def unheard(_: Any) -> None: ...

    async with limited(requests=2) as house:
        scope = house.nobody._scope("POST", LOGIN, [("content-type", "application/json")], 10)
        strangers = [
            asyncio.ensure_future(house.app(dict(scope), silent, unheard))  # type: ignore[arg-type]
            for _ in range(10)
        ]
        for _ in strangers:
            await awaited.acquire()
        admin = await house.root.get(AGENTS)
        for stranger in strangers:
            stranger.cancel()
        await asyncio.gather(*strangers, return_exceptions=True)

    assert admin.status == 200


@pytest.mark.parametrize("name", ["address_requests", "user_requests"])
async def test_refusals_are_counted(name: str) -> None:
    async with limited(**{name: 1}) as house:
        await house.ann.get(AGENTS)
        await house.ann.get(AGENTS)
        if name == "user_requests":
            told = await house.nobody.get("/metrics")
            assert b'polyagent_limited_total{limit="user"} 1.0' in told.body
