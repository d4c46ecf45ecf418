"""Transactions over the state of this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from polyagent.adapters.memory.accounts import MemoryAccounts
from polyagent.adapters.memory.agents import MemoryAgents
from polyagent.adapters.memory.api_keys import MemoryApiKeys
from polyagent.adapters.memory.audit import MemoryAuditLog
from polyagent.adapters.memory.families import MemoryFamilies
from polyagent.adapters.memory.identities import MemoryIdentities
from polyagent.adapters.memory.sessions import MemorySessions
from polyagent.adapters.memory.state import State
from polyagent.adapters.memory.undo import Undo
from polyagent.domain.account import Actor
from polyagent.ports.clock import Clock
from polyagent.ports.store import (
    Accounts,
    Agents,
    ApiKeys,
    AuditLog,
    Families,
    Identities,
    Sessions,
    Transaction,
)


class MemoryTransaction:
    def __init__(
        self,
        accounts: Accounts,
        families: Families,
        api_keys: ApiKeys,
        identities: Identities,
        audit: AuditLog,
        agents: Agents,
        sessions: Sessions,
    ) -> None:
        self.accounts = accounts
        self.families = families
        self.api_keys = api_keys
        self.identities = identities
        self.audit = audit
        self.agents = agents
        self.sessions = sessions


class MemoryStore:
    """One transaction at a time; they do not nest."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def begin(self, actor: Actor) -> AsyncIterator[Transaction]:
        undo = Undo()
        rows = (self._state, undo, actor, self._clock)
        async with self._turn:
            try:
                yield MemoryTransaction(
                    MemoryAccounts(*rows),
                    MemoryFamilies(*rows),
                    MemoryApiKeys(*rows),
                    MemoryIdentities(*rows),
                    MemoryAuditLog(*rows),
                    MemoryAgents(*rows),
                    MemorySessions(*rows),
                )
            except BaseException:
                undo.roll_back()
                raise
