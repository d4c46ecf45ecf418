"""Tickets: what an EventSource gives in the place of a header."""

from pathlib import Path

import pytest
from dishka import Provider, Scope

from polyagent.adapters.memory.clock import ManualClock
from polyagent.adapters.memory.provider import ManualClockProvider
from polyagent.adapters.redis.client import redis_client
from polyagent.adapters.redis.tickets import RedisTickets
from polyagent.domain.ticket import TICKET_S
from polyagent.ports.tickets import Tickets
from polyagent.settings import Redis
from tests.api.client import Answer, Client
from tests.api.house import SETTINGS, House, some_id
from tests.api.sockets import street

PATH = "/api/v1/tickets"
ID = "01990000-0000-7000-8000-000000000000"


async def made(client: Client, address: str) -> str:
    answer = await client.post(PATH, {"for": address})
    assert answer.status == 201, answer.body
    ticket: str = answer.json["ticket"]
    return ticket


async def events_of(house: House, client: Client | None = None) -> str:
    run_id = (await house.chat(client or house.ann)).json["run_id"]
    return f"/api/v1/runs/{run_id}/events"


async def test_a_ticket_opens_the_stream_that_it_is_for_once(house: House) -> None:
    address = await events_of(house)
    answer = await house.ann.post(PATH, {"for": address})
    path = f"{address}?ticket={answer.json['ticket']}"

    first = await house.nobody.get(path)
    again = await house.nobody.get(path)

    assert set(answer.json) == {"ticket", "expires_at"}
    assert answer.headers["cache-control"] == "no-store"
    assert b"run.completed" in first.body
    again.as_problem(401, "unauthenticated")


async def test_a_reader_that_comes_again_makes_a_new_one(house: House) -> None:
    address = await events_of(house)
    whole = await house.ann.get(address)
    ids = [int(line[4:]) for line in whole.body.decode().splitlines() if line.startswith("id: ")]

    rest = await house.nobody.get(
        f"{address}?after={ids[1]}&ticket={await made(house.ann, address)}"
    )

    assert rest.body == whole.body[whole.body.index(b"id: %d\n" % ids[2]) :]


async def test_a_ticket_is_bound_to_its_address(house: House) -> None:
    mine, other = await events_of(house), await events_of(house)
    run = mine.removesuffix("/events")

    for address in (other, run, f"{run}/cancel", "/api/v1/agents", "/api/v1/users/profile"):
        answer = await house.nobody.get(f"{address}?ticket={await made(house.ann, mine)}")
        answer.as_problem(405 if "cancel" in address else 401, _code(answer))
    ticket = await made(house.ann, mine)
    (await house.nobody.get(f"{other}?ticket={ticket}")).as_problem(401, "unauthenticated")
    spent = await house.nobody.get(f"{mine}?ticket={ticket}")

    spent.as_problem(401, "unauthenticated")


def _code(answer: Answer) -> str:
    return "method_not_allowed" if answer.status == 405 else "unauthenticated"


async def test_a_ticket_is_bound_to_its_user(house: House) -> None:
    address = await events_of(house, house.bob)

    answer = await house.nobody.get(f"{address}?ticket={await made(house.ann, address)}")

    answer.as_problem(404, "not_found")


async def test_a_header_goes_before_a_ticket_and_no_token_is_taken_there(house: House) -> None:
    address = await events_of(house)
    ticket = await made(house.ann, address)

    with_header = await house.ann.get(f"{address}?ticket={ticket}")
    with_token = await house.nobody.get(f"{address}?ticket={house.ann.token}")
    with_other = await house.nobody.get(f"{address}?token={house.ann.token}")

    assert with_header.status == 200
    with_token.as_problem(401, "unauthenticated")
    with_other.as_problem(401, "unauthenticated")
    assert (await house.nobody.get(f"{address}?ticket={ticket}")).status == 200


@pytest.mark.parametrize(
    "address",
    [
        *("", "/", "/ws/", "/ws/chat", "/ws/chat/x", "/api/v1/agents", "/api/v1/runs", "ws"),
        *(f"/api/v1/runs/{ID}", f"/ws/chat/{ID}/events", f"/ws?x={ID}"),
    ],
)
async def test_no_other_address_has_tickets(house: House, address: str) -> None:
    answer = await house.ann.post(PATH, {"for": address})

    problem = answer.as_problem(400, "invalid_request")
    assert problem["errors"][0]["pointer"] == "#/for"


async def test_a_ticket_wants_a_body_and_no_more_than_it_says(house: House) -> None:
    for body in ({}, {"for": 7}, {"for": "/ws", "user_id": str(some_id())}):
        (await house.ann.post(PATH, body)).as_problem(400, "invalid_request")


async def test_viewers_have_tickets_too(house: House) -> None:
    assert await made(house.vic, "/ws")


async def test_a_ticket_is_good_for_thirty_seconds() -> None:
    async with street(SETTINGS, ManualClockProvider()) as town:
        house, clock = town.house, await town.house.container.get(ManualClock)
        answer = await house.ann.post(PATH, {"for": "/ws"})
        clock.move(TICKET_S)

        async with town.talk(path=f"/ws?ticket={answer.json['ticket']}") as talk:
            assert await talk.is_closed() == 4401
    assert answer.json["expires_at"] == "2026-01-01T00:00:30Z"


async def test_without_redis_there_are_no_tickets_and_clients_are_asked_back(
    tmp_path: Path,
) -> None:
    away = Provider(scope=Scope.APP)
    client = redis_client(Redis(url=f"unix://{tmp_path}/nobody.sock"))
    away.provide(lambda: RedisTickets(client), provides=Tickets)
    async with street(SETTINGS, away) as town:
        house = town.house
        address = await events_of(house)

        making = await house.ann.post(PATH, {"for": "/ws"})
        reading = await house.nobody.get(f"{address}?ticket=any")
        async with town.talk(path="/ws?ticket=any") as talk:
            closed = await talk.is_closed()
        async with town.talk(house.ann) as talk:
            assert await talk.asks("ping") == {"type": "pong"}
    await client.aclose()

    for answer in (making, reading):
        answer.as_problem(503, "unavailable")
        assert answer.headers["retry-after"] == "1"
    assert closed == 1012
