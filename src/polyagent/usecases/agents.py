"""Agents: create, read, change, delete, versions; and the built-in ones of a workspace."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from polyagent.domain.account import Actor
from polyagent.domain.agent import Agent, AgentType, NewAgent, merged
from polyagent.domain.errors import Conflict, NameTaken, PreconditionFailed
from polyagent.domain.ids import new_id
from polyagent.domain.page import Page, PageAsk
from polyagent.ports.clock import Clock
from polyagent.ports.documents.retrieval import Retrieval
from polyagent.ports.models import Models
from polyagent.ports.store import Store
from polyagent.ports.tools import Tools
from polyagent.usecases.audit import Audit
from polyagent.usecases.checks import model_info, require_tools
from polyagent.usecases.documents.search import require_documents

BUILTIN: dict[AgentType, NewAgent] = {
    "general": NewAgent(
        name="general",
        type="general",
        description="Answers everyday questions.",
        instructions="You are a helpful assistant. Answer clearly and briefly.",
        tools=("calculator", "current_time", "web_search"),
        visibility="shared",
    ),
    "code": NewAgent(
        name="code",
        type="code",
        description="Reads, writes and explains code.",
        instructions="You are an experienced software engineer. Answer with correct, simple code.",
        tools=("calculator", "code_analyzer", "git_helper"),
        visibility="shared",
    ),
    "research": NewAgent(
        name="research",
        type="research",
        description="Looks things up and says where they stand.",
        instructions="You are a careful researcher. Say what you know, from where, and what you do not know.",
        tools=("web_search", "document_search", "calculator", "current_time"),
        visibility="shared",
    ),
}


class ManageAgents:
    def __init__(
        self,
        store: Store,
        tools: Tools,
        models: Models,
        clock: Clock,
        audit: Audit,
        retrieval: Retrieval,
    ) -> None:
        self._retrieval = retrieval
        self._audit = audit
        self._store = store
        self._tools = tools
        self._models = models
        self._clock = clock

    async def create(self, actor: Actor, new: NewAgent) -> Agent:
        """Raises `NameTaken`, `ToolUnknown`, `ModelUnknown`, `NotFound` for a document."""
        actor.require("agents:write")
        new = new.tidied()
        await self._check(actor, new)
        agent = self._made(actor.workspace_id, actor.user_id, new)
        async with self._store.begin(actor) as tx:
            await tx.agents.add(agent)
        return agent

    async def get(self, actor: Actor, agent_id: UUID) -> Agent:
        actor.require("agents:read")
        async with self._store.begin(actor) as tx:
            agent = await tx.agents.get(agent_id)
        if agent.visibility == "private":
            await self._audit.seen_theirs(actor, "agent.read", agent.owner_id, agent_id)
        return agent

    async def list(self, actor: Actor, page: PageAsk) -> Page[Agent]:
        actor.require("agents:read")
        await self._audit.seen_list(actor, "agent.read")
        async with self._store.begin(actor) as tx:
            return await tx.agents.list(page)

    async def replace(
        self, actor: Actor, agent_id: UUID, new: NewAgent, *, version: int | None
    ) -> Agent:
        """Store `new` as the next version; `version` None: whatever it is now.

        Raises `PreconditionFailed`, `Conflict` for what a built-in agent must stay, and as `create` does.
        """
        return await self._change(actor, agent_id, lambda _: new, version)

    async def patch(
        self, actor: Actor, agent_id: UUID, patch: dict[str, Any], *, version: int | None
    ) -> Agent:
        """Apply an RFC 7396 merge patch. Raises `Invalid`, and as `replace` does."""
        return await self._change(actor, agent_id, lambda now: merged(now, patch), version)

    async def delete(self, actor: Actor, agent_id: UUID, *, version: int | None) -> None:
        """Raises `Conflict` for a built-in agent, `NotFound`, `PreconditionFailed`."""
        actor.require("agents:write")
        async with self._store.begin(actor) as tx:
            agent = await tx.agents.get(agent_id)
            if agent.builtin and actor.is_admin:
                raise Conflict(f"{agent.name} is built in and stays: make it inactive instead.")
            await tx.agents.delete(agent_id, version=version)
            await self._audit.note_theirs(
                tx, "agent.deleted", actor, agent.owner_id, object_id=agent_id
            )

    async def versions(self, actor: Actor, agent_id: UUID, page: PageAsk) -> Page[Agent]:
        actor.require("agents:read")
        if actor.is_admin:
            await self.get(actor, agent_id)
        async with self._store.begin(actor) as tx:
            return await tx.agents.versions(agent_id, page)

    async def restore(
        self, actor: Actor, agent_id: UUID, number: int, *, version: int | None
    ) -> Agent:
        """Make what the agent was at version `number` its newest version."""
        actor.require("agents:write")
        async with self._store.begin(actor) as tx:
            then = await tx.agents.at_version(agent_id, number)
        return await self._change(
            actor, agent_id, lambda _: then.ask(), version, kept=then.document_ids
        )

    async def _change(
        self,
        actor: Actor,
        agent_id: UUID,
        made: Callable[[Agent], NewAgent],
        version: int | None,
        *,
        kept: Sequence[UUID] = (),
    ) -> Agent:
        """Store what is `made` of the agent as it is now: without a `version`, anew until nobody was faster.

        Documents that it has, or that are `kept`, may be gone by now.
        """
        actor.require("agents:write")
        while True:
            async with self._store.begin(actor) as tx:
                now = await tx.agents.get(agent_id)
            new = made(now).tidied()
            if actor.is_admin:
                now.require_changeable(new)
            await self._check(actor, new, [*kept, *now.document_ids])
            try:
                async with self._store.begin(actor) as tx:
                    agent = await tx.agents.change(agent_id, new, version=version or now.version)
                    await self._audit.note_theirs(
                        tx, "agent.changed", actor, now.owner_id, object_id=agent_id
                    )
                    return agent
            except PreconditionFailed:
                if version is not None:
                    raise

    async def make_builtin(self) -> None:
        """Make the workspace's shared agents of each built-in type, where they are missing."""
        actor = Actor.system()
        for new in BUILTIN.values():
            agent = self._made(actor.workspace_id, actor.user_id, new, builtin=True)
            try:
                async with self._store.begin(actor) as tx:
                    await tx.agents.add(agent)
            except NameTaken:
                continue

    def _made(
        self, workspace_id: UUID, owner_id: UUID, new: NewAgent, *, builtin: bool = False
    ) -> Agent:
        now = self._clock.now()
        return Agent(
            **{field: getattr(new, field) for field in NewAgent.__struct_fields__},
            id=new_id(),
            workspace_id=workspace_id,
            owner_id=owner_id,
            version=1,
            builtin=builtin,
            created_at=now,
            updated_at=now,
        )

    async def _check(self, actor: Actor, new: NewAgent, kept: Sequence[UUID] = ()) -> None:
        require_tools(self._tools, new.tools)
        require_tools(self._tools, tuple(new.approval), pointer="#/approval/{name}")
        await require_documents(
            self._retrieval, actor, new.document_ids, "#/document_ids/{n}", kept=kept
        )
        if new.model is not None:
            await model_info(self._models, new.model, pointer="#/model")
