"""Agents and their versions, in PostgreSQL."""

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping, and_, func, insert, or_, select, true, update

from polyagent.adapters.postgres.page import by_id, by_number, page_of
from polyagent.adapters.postgres.statements import Statements
from polyagent.adapters.postgres.tables import AgentRow as A
from polyagent.adapters.postgres.tables import AgentVersionRow as V
from polyagent.domain.account import Actor
from polyagent.domain.agent import Agent, NewAgent
from polyagent.domain.errors import Forbidden, NotFound, PreconditionFailed
from polyagent.domain.page import Page, PageAsk


class PostgresAgents:
    def __init__(self, statements: Statements, actor: Actor) -> None:
        self._statements = statements
        self._actor = actor
        living = and_(A.workspace_id == actor.workspace_id, A.deleted_at.is_(None))
        own = true() if actor.is_admin else A.user_id == actor.user_id
        self._mine = and_(living, own)
        self._visible = and_(living, or_(own, A.visibility == "shared"))

    async def add(self, agent: Agent) -> None:
        row = _columns(agent.ask()) | {
            "id": agent.id,
            "workspace_id": self._actor.workspace_id,
            "user_id": agent.owner_id,
            "version": agent.version,
            "builtin": agent.builtin,
            "created_at": agent.created_at,
            "updated_at": agent.updated_at,
        }
        await self._statements.run(insert(A).values(row))
        await self._keep(agent)

    async def get(self, agent_id: UUID) -> Agent:
        row = await self._statements.first(_SELECT.where(self._visible, A.id == agent_id))
        if row is None:
            raise NotFound(f"There is no agent {agent_id}.")
        return _agent(row)

    async def list(self, page: PageAsk) -> Page[Agent]:
        rows = await self._statements.all(by_id(_SELECT.where(self._visible), A.id, page))
        return page_of(rows, page, lambda row: row["id"], _agent)

    async def change(self, agent_id: UUID, ask: NewAgent, *, version: int) -> Agent:
        changed = await self._change(
            agent_id, version, _columns(ask) | {"version": version + 1, "updated_at": func.now()}
        )
        await self._keep(changed)
        return changed

    async def delete(self, agent_id: UUID, *, version: int | None) -> None:
        await self._change(agent_id, version, {"deleted_at": func.now()})

    async def versions(self, agent_id: UUID, page: PageAsk) -> Page[Agent]:
        await self.get(agent_id)
        kept = _SELECT_VERSION.where(V.agent_id == agent_id)
        rows = await self._statements.all(by_number(kept, V.version, page))
        return page_of(rows, page, lambda row: row["version"], _agent)

    async def at_version(self, agent_id: UUID, version: int) -> Agent:
        kept = _SELECT_VERSION.where(self._visible, A.id == agent_id, V.version == version)
        row = await self._statements.first(kept)
        if row is None:
            raise NotFound(f"There is no agent {agent_id} with a version {version}.")
        return _agent(row)

    async def _change(self, agent_id: UUID, version: int | None, values: dict[str, Any]) -> Agent:
        at = true() if version is None else A.version == version
        row = await self._statements.first(
            update(A).where(self._mine, A.id == agent_id, at).values(values).returning(*_COLUMNS)
        )
        if row is None:
            raise await self._refusal(agent_id, version)
        return _agent(row)

    async def _refusal(self, agent_id: UUID, version: int | None) -> Exception:
        """Say why no row was changed. Raises `NotFound` if the actor cannot see it either."""
        agent = await self.get(agent_id)
        if not self._actor.is_admin and agent.owner_id != self._actor.user_id:
            return Forbidden("Only its owner or an administrator may change this agent.")
        return PreconditionFailed(f"The agent is at version {agent.version}, not {version}.")

    async def _keep(self, agent: Agent) -> None:
        row = {
            "agent_id": agent.id,
            "version": agent.version,
            "workspace_id": self._actor.workspace_id,
            "user_id": agent.owner_id,
            "body": agent.ask(),
            "created_at": agent.updated_at,
        }
        await self._statements.run(insert(V).values(row))


_COLUMNS = (
    A.id,
    A.workspace_id,
    A.user_id.label("owner_id"),
    A.version,
    A.builtin,
    A.created_at,
    A.updated_at,
    A.body,
)
_SELECT = select(*_COLUMNS)
_SELECT_VERSION = select(
    A.id,
    A.workspace_id,
    V.user_id.label("owner_id"),
    V.version,
    A.builtin,
    A.created_at,
    V.created_at.label("updated_at"),
    V.body,
).join(V, V.agent_id == A.id)


def _columns(ask: NewAgent) -> dict[str, Any]:
    """Return the columns that repeat what the body says, for statements to look at."""
    return {
        "name": ask.name,
        "type": ask.type,
        "visibility": ask.visibility,
        "status": ask.status,
        "body": ask,
    }


def _agent(row: RowMapping) -> Agent:
    ask = msgspec.json.decode(row["body"], type=NewAgent)
    columns = {key: value for key, value in row.items() if key != "body"}
    return Agent(**msgspec.structs.asdict(ask), **columns)
