"""Whether credentials still hold, without asking the store each time."""

import asyncio
from collections.abc import Collection, Mapping
from uuid import UUID

from polyagent.domain.account import Actor, Claims
from polyagent.domain.api_key import KeyOnFile, unknown_key
from polyagent.domain.errors import Unauthenticated
from polyagent.ports.clock import Clock
from polyagent.ports.standing import Standing

TRUST_S = 2.5
"""With the two seconds between looks at what is open, a change is felt everywhere within five."""
MAX_TRUSTED = 10_000


class Trust:
    """What the store said of credentials, for a moment; a change that is made here is felt at once."""

    def __init__(self, standing: Standing, clock: Clock) -> None:
        self.changed = asyncio.Event()
        self._standing = standing
        self._clock = clock
        self._changes = 0
        self._known: dict[Claims, tuple[float, Actor]] = {}
        self._keys: dict[UUID, KeyOnFile] = {}

    async def actor(self, claims: Claims) -> Actor:
        """Raises `Unauthenticated`, `StoreUnavailable`."""
        until_s, actor = self._known.get(claims, (0.0, None))
        if actor is None or self._clock.monotonic() >= until_s:
            actor = (await self.look([claims])).get(claims)
        if actor is None:
            raise Unauthenticated("These credentials were revoked: log in again.")
        return actor

    async def look(self, asked: Collection[Claims]) -> Mapping[Claims, Actor]:
        """Ask the store anew. Raises `StoreUnavailable`."""
        until_s, changes = self._clock.monotonic() + TRUST_S, self._changes
        found = await self._standing.of(asked)
        if len(self._known) + len(found) > MAX_TRUSTED:
            self._known.clear()
        for claims in asked:
            self._known.pop(claims, None)
        if changes == self._changes:
            self._known.update((claims, (until_s, actor)) for claims, actor in found.items())
        return found

    async def key(self, key_id: UUID) -> KeyOnFile:
        """Raises `Unauthenticated`, `StoreUnavailable`."""
        key = self._keys.get(key_id) or await self._standing.key(key_id)
        if key is None:
            raise unknown_key()
        if len(self._keys) >= MAX_TRUSTED:
            self._keys.clear()
        self._keys[key_id] = key
        return key

    def forget(self, user_id: UUID) -> None:
        """Something about this user has just changed."""
        self._changes += 1
        self._known = {c: known for c, known in self._known.items() if c.user_id != user_id}
        self.changed.set()
