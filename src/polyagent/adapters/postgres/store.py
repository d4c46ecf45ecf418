"""Transactions for the management nouns."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from polyagent.adapters.postgres.access.accounts import PostgresAccounts
from polyagent.adapters.postgres.access.api_keys import PostgresApiKeys
from polyagent.adapters.postgres.access.audit import PostgresAuditLog
from polyagent.adapters.postgres.access.families import PostgresFamilies
from polyagent.adapters.postgres.access.identities import PostgresIdentities
from polyagent.adapters.postgres.agents import PostgresAgents
from polyagent.adapters.postgres.documents.documents import PostgresDocuments
from polyagent.adapters.postgres.errors import translated
from polyagent.adapters.postgres.sessions import PostgresSessions
from polyagent.adapters.postgres.statements import Statements
from polyagent.adapters.postgres.tasks.schedules import PostgresSchedules
from polyagent.adapters.postgres.tasks.tasks import PostgresTasks
from polyagent.adapters.postgres.tasks.webhooks import PostgresWebhooks
from polyagent.domain.account import Actor
from polyagent.domain.queue import Entry
from polyagent.ports.documents.documents import Documents
from polyagent.ports.queue import Queue
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


class PostgresTransaction:
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


class PostgresStore:
    """`queue` is that of the tasks: what a transaction enqueued is offered once it is committed."""

    def __init__(self, engine: AsyncEngine, queue: Queue) -> None:
        self._engine = engine
        self._queue = queue

    @asynccontextmanager
    async def begin(self, actor: Actor) -> AsyncIterator[Transaction]:
        async with AsyncExitStack() as stack:  # leaving it rolls back what was not committed
            with translated():
                connection = await stack.enter_async_context(self._engine.connect())
            rows = (Statements(connection), actor)
            offers: list[Entry] = []
            yield PostgresTransaction(
                PostgresAccounts(*rows),
                PostgresFamilies(*rows),
                PostgresApiKeys(*rows),
                PostgresIdentities(*rows),
                PostgresAuditLog(*rows),
                PostgresAgents(*rows),
                PostgresSessions(*rows),
                PostgresTasks(*rows, offers),
                PostgresSchedules(*rows),
                PostgresWebhooks(*rows),
                PostgresDocuments(*rows),
            )
            with translated():
                await connection.commit()
            self._queue.offer(*offers)
