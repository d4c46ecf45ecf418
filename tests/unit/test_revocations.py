"""What is open while credentials are looked at."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from uuid import UUID

from dishka import Provider, Scope, make_async_container

from polyagent.adapters.http.revocations import Revocations
from polyagent.adapters.system.clock import SystemClock
from polyagent.domain.account import DEFAULT_WORKSPACE, Actor, Claims
from polyagent.domain.api_key import KeyOnFile
from polyagent.domain.ids import new_id
from polyagent.usecases.trust import Trust

LIMIT_S = 60


class Held:
    """Knows everybody, and answers when the gate is open."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()

    async def of(self, asked: Collection[Claims]) -> Mapping[Claims, Actor]:
        claims = [*asked]
        self.asked.set()
        await self.gate.wait()
        return {each: _actor(each.user_id) for each in claims}

    async def key(self, _: UUID) -> KeyOnFile | None:
        return None


def _actor(user_id: UUID) -> Actor:
    return Actor(user_id=user_id, workspace_id=DEFAULT_WORKSPACE, role="member")


async def test_what_is_opened_during_a_look_stays_open() -> None:
    ended: list[str] = []
    standing = Held()
    trust = Trust(standing, SystemClock())
    provider = Provider(scope=Scope.APP)
    provider.provide(lambda: trust, provides=Trust)
    revocations = Revocations(make_async_container(provider))
    ann, bob = (
        Claims(user_id=new_id(), expires_at=datetime(2100, 1, 1, tzinfo=UTC)) for _ in range(2)
    )

    async with asyncio.timeout(LIMIT_S), revocations.looking(None):
        with revocations.listening(ann, _actor(ann.user_id), lambda: ended.append("ann")):
            trust.changed.set()
            await standing.asked.wait()
            with revocations.listening(bob, _actor(bob.user_id), lambda: ended.append("bob")):
                standing.asked.clear()
                standing.gate.set()
                trust.changed.set()
                await standing.asked.wait()  # by the next look: this one is over

    assert ended == []
