"""Passwords."""

import asyncio

import pytest

from polyagent.adapters.vault.passwords import AT_ONCE, MAX_WAITING, Argon2Passwords
from polyagent.domain.errors import Limited

COMPOSED, DECOMPOSED = "caf\u00e9 au lait", "cafe\u0301 au lait"


async def test_a_password_fits_its_own_hash_only() -> None:
    passwords = Argon2Passwords()

    hashed = await passwords.hash("correct horse")

    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.verify("correct horse", hashed)
    assert not await passwords.verify("Correct horse", hashed)


async def test_a_password_fits_however_its_letters_are_composed() -> None:
    passwords = Argon2Passwords()

    hashed = await passwords.hash(COMPOSED)

    assert await passwords.verify(DECOMPOSED, hashed)


async def test_nobody_has_no_password() -> None:
    assert not await Argon2Passwords().verify("correct horse", None)


@pytest.mark.parametrize("password", ["", "\x00", "\ud800", "x" * 100_000])
async def test_odd_passwords_are_compared_like_others(password: str) -> None:
    passwords = Argon2Passwords()

    hashed = await passwords.hash(password)

    assert await passwords.verify(password, hashed)
    assert not await passwords.verify("other", hashed)


@pytest.mark.parametrize("hashed", ["", "!", "$argon2id$broken", "plain text", "ü"])
async def test_a_hash_that_is_none_fits_nothing(hashed: str) -> None:
    assert not await Argon2Passwords().verify("plain text", hashed)


async def test_a_crowd_is_turned_away_at_once_except_for_those_who_find_a_place() -> None:
    passwords = Argon2Passwords()
    crowd = 60

    answers = await asyncio.gather(
        *(passwords.verify("x", None) for _ in range(crowd)), return_exceptions=True
    )

    refused = [answer for answer in answers if isinstance(answer, Limited)]
    assert len(refused) >= crowd - AT_ONCE - MAX_WAITING
    assert len(answers) - len(refused) == answers.count(False) >= AT_ONCE


async def test_who_waits_too_long_is_turned_away() -> None:
    passwords = Argon2Passwords()
    for _ in range(AT_ONCE):
        await passwords._places.acquire()

    with pytest.raises(Limited) as refused:
        await passwords.hash("x")

    assert refused.value.retry_after_s > 0


async def test_who_leaves_keeps_its_place_until_the_work_is_done() -> None:
    passwords = Argon2Passwords()
    leaving = [asyncio.create_task(passwords.hash("x")) for _ in range(AT_ONCE)]
    await asyncio.sleep(0)

    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)

    assert passwords._places.locked()
    assert await passwords.hash("y")
