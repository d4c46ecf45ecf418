"""Passwords as Argon2id hashes, made a few at a time so that logging in starves nothing else."""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from polyagent.domain.errors import Limited

T = TypeVar("T")

MEMORY_KIB = 19 * 1024
AT_ONCE = 2
MAX_WAITING = 32
WAIT_S = 2.0


class Argon2Passwords:
    """The parameters are OWASP's. https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html"""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=MEMORY_KIB, parallelism=1)
        self._nobodys = self._hasher.hash(secrets.token_bytes(32))
        self._places = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        return await self._in_turn(partial(self._hash, password))

    async def verify(self, password: str, hashed: str | None) -> bool:
        return await self._in_turn(partial(self._verify, password, hashed or self._nobodys))

    async def _in_turn(self, work: Callable[[], T]) -> T:
        await self._take_place()
        future = asyncio.get_running_loop().run_in_executor(None, work)
        future.add_done_callback(lambda _: self._places.release())
        # a caller that leaves does not stop the thread: its place is free only when that has ended
        return await asyncio.shield(future)

    async def _take_place(self) -> None:
        if self._places.locked() and self._waiting >= MAX_WAITING:
            raise _crowded()
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT_S):
                await self._places.acquire()
        except TimeoutError as error:
            raise _crowded() from error
        finally:
            self._waiting -= 1

    def _hash(self, password: str) -> str:
        return self._hasher.hash(_normal(password))

    def _verify(self, password: str, hashed: str) -> bool:
        try:
            return self._hasher.verify(hashed, _normal(password))
        except (VerificationError, ValueError):
            return False


def _normal(password: str) -> bytes:
    """Return the same bytes for a password however a keyboard composes its letters."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _crowded() -> Limited:
    return Limited("Too many people are logging in right now.", retry_after_s=WAIT_S)
