"""Transactions over the state of this process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec

from polyagent.adapters.memory.access.accounts import MemoryAccounts
from polyagent.adapters.memory.access.api_keys import MemoryApiKeys
from polyagent.adapters.memory.access.audit import MemoryAuditLog
from polyagent.adapters.memory.access.families import MemoryFamilies
from polyagent.adapters.memory.access.identities import MemoryIdentities
from polyagent.adapters.memory.agents import MemoryAgents
from polyagent.adapters.memory.documents.documents import MemoryDocuments
from polyagent.adapters.memory.sessions import MemorySessions
from polyagent.adapters.memory.state import State
from polyagent.adapters.memory.task_rows import TaskRow
from polyagent.adapters.memory.tasks.schedules import MemorySchedules
from polyagent.adapters.memory.tasks.tasks import MemoryTasks
from polyagent.adapters.memory.tasks.webhooks import MemoryWebhooks
from polyagent.adapters.memory.undo import Undo
from polyagent.domain.account import Actor
from polyagent.ports.clock import Clock
from polyagent.ports.documents.documents import Documents
from polyagent.ports.store import (
    Accounts,
    Agents,
    ApiKeys,
    AuditLog,
    Families,
    Identities,
    Schedules,
    Sessions,
    Tasks,
    Transaction,
    Webhooks,
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
        tasks: Tasks,
        schedules: Schedules,
        webhooks: Webhooks,
        documents: Documents,
    ) -> None:
        self.accounts = accounts
        self.families = families
        self.api_keys = api_keys
        self.identities = identities
        self.audit = audit
        self.agents = agents
        self.sessions = sessions
        self.tasks = tasks
        self.schedules = schedules
        self.webhooks = webhooks
        self.documents = documents


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
        offers: list[TaskRow] = []
        async with self._turn:
            try:
                yield MemoryTransaction(
                    MemoryAccounts(*rows),
                    MemoryFamilies(*rows),
                    MemoryApiKeys(*rows),
                    MemoryIdentities(*rows),
                    MemoryAuditLog(*rows),
                    MemoryAgents(*rows),
                    MemorySessions(*rows, offers),
                    MemoryTasks(*rows, offers),
                    MemorySchedules(*rows),
                    MemoryWebhooks(*rows),
                    MemoryDocuments(*rows),
                )
            except BaseException:
                undo.roll_back()
                raise
        self._offer(offers)

    def _offer(self, rows: Sequence[TaskRow]) -> None:
        now = self._clock.now()
        for row, entry in zip(rows, self._state.task_places(rows), strict=True):
            delay_s = max(0.0, (row.due_at - now).total_seconds())
            self._state.task_queue.offer(msgspec.structs.replace(entry, delay_s=delay_s))
