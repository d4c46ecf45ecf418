"""Agents, in memory."""

from collections.abc import Iterator
from uuid import UUID

from msgspec.structs import asdict, replace

from polyagent.adapters.memory.page import paged
from polyagent.adapters.memory.state import State
from polyagent.adapters.memory.undo import Undo
from polyagent.domain.account import Actor
from polyagent.domain.agent import Agent, NewAgent
from polyagent.domain.errors import Forbidden, NameTaken, NotFound, PreconditionFailed
from polyagent.domain.page import Page, PageAsk
from polyagent.ports.clock import Clock


class MemoryAgents:
    def __init__(self, state: State, undo: Undo, actor: Actor, clock: Clock) -> None:
        self._state = state
        self._undo = undo
        self._actor = actor
        self._clock = clock

    async def add(self, agent: Agent) -> None:
        self._require_free(agent)
        self._put(agent)

    async def get(self, agent_id: UUID) -> Agent:
        agent = self._state.agents.get(agent_id)
        if agent is None or not self._sees(agent):
            raise NotFound(f"There is no agent {agent_id}.")
        return agent

    async def list(self, page: PageAsk) -> Page[Agent]:
        return paged(filter(self._sees, self._living()), page, lambda agent: agent.id.int)

    async def change(self, agent_id: UUID, ask: NewAgent, *, version: int) -> Agent:
        agent = await self._mine(agent_id, version)
        changed = replace(
            agent, **asdict(ask), version=agent.version + 1, updated_at=self._clock.now()
        )
        self._require_free(changed)
        self._put(changed)
        return changed

    async def delete(self, agent_id: UUID, *, version: int | None) -> None:
        await self._mine(agent_id, version)
        self._undo.include(self._state.deleted_agents, agent_id)

    async def versions(self, agent_id: UUID, page: PageAsk) -> Page[Agent]:
        await self.get(agent_id)
        return paged(self._state.versions[agent_id], page, lambda agent: agent.version)

    async def at_version(self, agent_id: UUID, version: int) -> Agent:
        await self.get(agent_id)
        for agent in self._state.versions[agent_id]:
            if agent.version == version:
                return agent
        raise NotFound(f"The agent {agent_id} has no version {version}.")

    def _living(self) -> Iterator[Agent]:
        agents = self._state.agents.values()
        return (agent for agent in agents if agent.id not in self._state.deleted_agents)

    def _sees(self, agent: Agent) -> bool:
        if agent.workspace_id != self._actor.workspace_id or agent.id in self._state.deleted_agents:
            return False
        return agent.visibility == "shared" or self._may_change(agent)

    def _may_change(self, agent: Agent) -> bool:
        return self._actor.is_admin or agent.owner_id == self._actor.user_id

    async def _mine(self, agent_id: UUID, version: int | None) -> Agent:
        agent = await self.get(agent_id)
        if not self._may_change(agent):
            raise Forbidden("Only its owner or an administrator may change this agent.")
        if version is not None and version != agent.version:
            raise PreconditionFailed(f"The agent is at version {agent.version}, not {version}.")
        return agent

    def _require_free(self, agent: Agent) -> None:
        for other in self._living():
            theirs = (other.workspace_id, other.owner_id, other.name)
            if theirs == (agent.workspace_id, agent.owner_id, agent.name) and other.id != agent.id:
                raise NameTaken(f"Its owner has another agent named {agent.name}.")

    def _put(self, agent: Agent) -> None:
        past = self._state.versions.get(agent.id, ())
        self._undo.put(self._state.agents, agent.id, agent)
        self._undo.put(self._state.versions, agent.id, (*past, agent))
