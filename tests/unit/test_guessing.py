"""Guessing is slowed, never locked; names that look alike are one; common passwords are refused."""

import asyncio
import secrets
from collections.abc import Awaitable

import pytest

from polyagent.adapters.memory.access.failures import MemoryLoginFailures
from polyagent.adapters.memory.clock import ManualClock
from polyagent.domain.audit import CLIENT
from polyagent.domain.errors import BadCredentials, Invalid, Limited, PasswordCommon
from polyagent.domain.names import fit_email, fit_username, same_name
from polyagent.domain.password import require_uncommon
from polyagent.domain.throttle import FORGET_S, FREE, MAX_KNOWN, MAX_WAIT_S, FailureCounts, Failures
from polyagent.usecases.verify_password import PATIENCE_S, PasswordCheck


class PlainPasswords:
    """The hash of a password is the password; `tried` counts."""

    def __init__(self) -> None:
        self.tried = 0

    async def hash(self, password: str) -> str:
        return password

    async def verify(self, password: str, hashed: str | None) -> bool:
        self.tried += 1
        return password == hashed


class Door:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.passwords = PlainPasswords()
        self._check = PasswordCheck(self.passwords, MemoryLoginFailures(self.clock), self.clock)

    async def tries(self, password: str, who: str = "ann") -> None:
        await self._check(who, password, "right" if who == "ann" else None)

    async def fails(self, times: int, who: str = "ann") -> None:
        """Fail so often in a row, waiting as long as it takes."""
        for _ in range(times):
            with pytest.raises(BadCredentials):
                await self.in_time(self.tries("wrong", who))
            self.clock.move(MAX_WAIT_S)

    async def in_time(self, trying: Awaitable[None]) -> None:
        task = asyncio.ensure_future(trying)
        await asyncio.sleep(0)
        self.clock.move(PATIENCE_S)
        await task


def test_the_wait_doubles_up_to_a_minute() -> None:
    waits = [Failures(count).wait_s for count in range(FREE + 9)]

    assert waits[:FREE] == [0] * FREE
    assert waits[FREE:] == [1, 2, 4, 8, 16, 32, MAX_WAIT_S, MAX_WAIT_S, MAX_WAIT_S]
    assert Failures(10**9).wait_s == MAX_WAIT_S
    assert Failures(FREE + 2, since_s=3.0).wait_s == 1.0


def test_counts_are_forgotten_and_bounded() -> None:
    counts = FailureCounts()
    counts.add("ann", 0.0)
    for n in range(MAX_KNOWN):
        counts.add(str(n), 1.0)

    assert counts.of("ann", 1.0) == Failures()
    assert counts.of("0", FORGET_S).count == 1
    assert counts.of("0", FORGET_S + 1) == Failures()


@pytest.mark.parametrize("who", ["ann", "nobody"])
async def test_after_some_failures_it_takes_longer_then_is_refused_without_a_try(who: str) -> None:
    door = Door()
    for _ in range(FREE):
        with pytest.raises(BadCredentials):
            await door.tries("wrong", who)

    slowed = asyncio.ensure_future(door.tries("wrong", who))
    await asyncio.sleep(0)
    waited = not slowed.done()
    door.clock.move(PATIENCE_S)
    with pytest.raises(BadCredentials):
        await slowed
    with pytest.raises(BadCredentials):
        await door.in_time(door.tries("wrong", who))
    tried = door.passwords.tried
    with pytest.raises(Limited) as limited:
        await door.tries("right", who)

    assert waited
    assert limited.value.retry_after_s == 4.0
    assert door.passwords.tried == tried


async def test_a_thousand_failures_lock_nobody_out() -> None:
    door = Door()
    await door.fails(1000)

    await door.tries("right")

    with pytest.raises(BadCredentials):
        await door.tries("wrong")


async def test_whoever_guesses_from_elsewhere_keeps_nobody_out() -> None:
    door = Door()
    CLIENT.set("192.0.2.1")
    await door.tries("right")
    CLIENT.set("192.0.2.2")
    await door.fails(FREE + 9)

    door.clock.move(-MAX_WAIT_S)
    with pytest.raises(Limited):
        await door.tries("right")
    CLIENT.set("192.0.2.1")
    await door.tries("right")
    CLIENT.set("192.0.2.2")
    with pytest.raises(Limited):
        await door.tries("right")


async def test_where_one_comes_from_always_guessing_is_slowed_too() -> None:
    door = Door()
    CLIENT.set("192.0.2.1")
    await door.tries("right")
    await door.fails(FREE + 9)

    door.clock.move(-MAX_WAIT_S)
    with pytest.raises(Limited):
        await door.tries("right")


async def test_failures_of_one_name_do_not_touch_another() -> None:
    door = Door()
    await door.fails(20, "nobody")

    await door.tries("right")


@pytest.mark.parametrize(
    "password",
    ["password", "PASSWORD", "12345678", "qwertyuiop", "letmein123", "\uff50assword", "aaaaaaaa"],
)
def test_common_passwords_are_refused(password: str) -> None:
    with pytest.raises(PasswordCommon):
        require_uncommon(password)


def test_other_passwords_are_not() -> None:
    for password in ("correct horse", "first-password", secrets.token_urlsafe(12)):
        require_uncommon(password)


def test_full_width_names_are_the_names_that_they_look_like() -> None:
    assert fit_username("\uff41\uff44\uff4d\uff49\uff4e") == "admin"
    assert fit_email("\uff41@house.example") == "a@house.example"
    assert same_name("\uff41nn") == "ann"
    assert fit_username("Änne.o'".removesuffix("'")) == "Änne.o"


@pytest.mark.parametrize(
    "name", ["ad\u200bmin", "admin\u2060", "\ufeffadmin", "\u3164", "a\u00adb", "\ufdfa", "a b"]
)
def test_names_with_what_nobody_sees_are_refused(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        fit_username(name)

    assert refused.value.faults[0].pointer == "#/username"


@pytest.mark.parametrize(
    "email", ["a\u200bb@house.example", "a@house\u2060.example", "a\u202eb@x.example", "a\uff20b@c"]
)
def test_so_are_emails(email: str) -> None:
    with pytest.raises(Invalid) as refused:
        fit_email(email)

    assert refused.value.faults[0].pointer == "#/email"
