"""Transactions for the management nouns."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from polyagent.adapters.postgres.accounts import PostgresAccounts
from polyagent.adapters.postgres.agents import PostgresAgents
from polyagent.adapters.postgres.api_keys import PostgresApiKeys
from polyagent.adapters.postgres.audit import PostgresAuditLog
from polyagent.adapters.postgres.errors import translated
from polyagent.adapters.postgres.families import PostgresFamilies
from polyagent.adapters.postgres.identities import PostgresIdentities
from polyagent.adapters.postgres.sessions import PostgresSessions
from polyagent.adapters.postgres.statements import Statements
from polyagent.domain.account import Actor
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
    ) -> None:
        self.accounts = accounts
        self.families = families
        self.api_keys = api_keys
        self.identities = identities
        self.audit = audit
        self.agents = agents
        self.sessions = sessions


class PostgresStore:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def begin(self, actor: Actor) -> AsyncIterator[Transaction]:
        async with AsyncExitStack() as stack:  # leaving it rolls back what was not committed
            with translated():
                connection = await stack.enter_async_context(self._engine.connect())
            rows = (Statements(connection), actor)
            yield PostgresTransaction(
                PostgresAccounts(*rows),
                PostgresFamilies(*rows),
                PostgresApiKeys(*rows),
                PostgresIdentities(*rows),
                PostgresAuditLog(*rows),
                PostgresAgents(*rows),
                PostgresSessions(*rows),
            )
            with translated():
                await connection.commit()
