"""A thousand guesses, at one name and at many."""

import asyncio

import pytest

from polyagent.adapters.memory.clock import ManualClock
from polyagent.adapters.memory.provider import ManualClockProvider
from tests.api.client import Answer
from tests.api.house import SETTINGS, House
from tests.api.test_logins import EVE

LOGIN = "/api/v1/users/login"
GUESSES = 1000


async def _guess(house: House, name: str) -> Answer:
    return await house.nobody.post(LOGIN, {"username": name, "password": "wrong one"})


@pytest.mark.parametrize("name", ["eve", "nobody", "nobody-{}"])
async def test_a_thousand_wrong_logins_are_refused_and_shut_nobody_out(name: str) -> None:
    async with House(SETTINGS, ManualClockProvider()).open() as house:
        await house.root.post("/api/v1/users", EVE)
        clock = await house.container.get(ManualClock)
        guesses = [_guess(house, name.format(n)) for n in range(GUESSES)]
        guessing = asyncio.gather(*guesses)
        while not guessing.done():
            clock.move(0.01)
            await asyncio.sleep(0.001)

        clock.move(61)
        right = await house.nobody.post(LOGIN, {"username": "eve", "password": EVE["password"]})

    answers = guessing.result()
    refused = [answer for answer in answers if answer.status == 429]
    assert {answer.status for answer in answers} == {401, 429}
    assert GUESSES - len(refused) <= 2 * SETTINGS.limits.failed_logins
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in refused)
    assert right.status == 200, right.body
