from typing import Annotated, Any
from uuid import UUID

from dishka import FromDishka
from dishka.integrations.litestar import inject
from litestar import Controller, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, PathParameter

from polyagent.adapters.http.asks.once import once
from polyagent.adapters.http.asks.paging import paged
from polyagent.adapters.http.asks.preconditions import IfMatch, expected_version, tagged
from polyagent.adapters.http.call import Call
from polyagent.domain.agent import Agent, NewAgent
from polyagent.domain.errors import (
    Conflict,
    ModelServiceMissing,
    ModelUnknown,
    NameTaken,
    NotFound,
    NotSupported,
    ToolUnknown,
)
from polyagent.domain.page import Page, PageAsk
from polyagent.usecases.agents import ManageAgents

UNKNOWN = (ToolUnknown, ModelUnknown, ModelServiceMissing, NotFound, NotSupported)
CHANGE = (*UNKNOWN, NameTaken, Conflict)

Number = Annotated[int, PathParameter(ge=1, le=2**31 - 1)]


class AgentController(Controller):
    path = "/api/v1/agents"
    tags = ("Agents",)

    @get("/", permission="agents:read", operation_id="list_agents")
    @inject
    async def list_agents(
        self, request: Call, page: NamedDependency[PageAsk], agents: FromDishka[ManageAgents]
    ) -> Response[Page[Agent]]:
        """List agents

        Your own and those that are shared in the workspace.
        """
        return paged(request, await agents.list(request.user, page))

    @post("/", permission="agents:write", operation_id="create_agent", fails=(*UNKNOWN, NameTaken))
    @inject
    @once
    async def create(
        self, request: Call, data: JSONBody[NewAgent], agents: FromDishka[ManageAgents]
    ) -> Response[Agent]:
        """Make an agent"""
        agent = await agents.create(request.user, data)
        return tagged(agent, status_code=201, headers={"Location": f"{self.path}/{agent.id}"})

    @get("/{agent_id:uuid}", permission="agents:read", operation_id="get_agent")
    @inject
    async def read(
        self, request: Call, agent_id: FromPath[UUID], agents: FromDishka[ManageAgents]
    ) -> Response[Agent]:
        """Read an agent"""
        return tagged(await agents.get(request.user, agent_id))

    @put("/{agent_id:uuid}", permission="agents:write", operation_id="replace_agent", fails=CHANGE)
    @inject
    async def replace(
        self,
        request: Call,
        agent_id: FromPath[UUID],
        data: JSONBody[NewAgent],
        agents: FromDishka[ManageAgents],
        if_match: IfMatch = None,
    ) -> Response[Agent]:
        """Replace an agent

        Makes a new version.
        """
        version = await expected_version(
            request, if_match, lambda: agents.get(request.user, agent_id)
        )
        return tagged(await agents.replace(request.user, agent_id, data, version=version))

    @patch("/{agent_id:uuid}", permission="agents:write", operation_id="update_agent", fails=CHANGE)
    @inject
    async def update(
        self,
        request: Call,
        agent_id: FromPath[UUID],
        data: JSONBody[dict[str, Any]],
        agents: FromDishka[ManageAgents],
        if_match: IfMatch = None,
    ) -> Response[Agent]:
        """Change an agent

        A merge patch (RFC 7396): null clears, objects merge. Makes a new version.
        """
        version = await expected_version(
            request, if_match, lambda: agents.get(request.user, agent_id)
        )
        return tagged(await agents.patch(request.user, agent_id, data, version=version))

    @delete(
        "/{agent_id:uuid}",
        permission="agents:write",
        operation_id="delete_agent",
        fails=(Conflict,),
    )
    @inject
    async def remove(
        self,
        request: Call,
        agent_id: FromPath[UUID],
        agents: FromDishka[ManageAgents],
        if_match: IfMatch = None,
    ) -> None:
        """Delete an agent

        Its sessions stay readable.
        """
        version = await expected_version(
            request, if_match, lambda: agents.get(request.user, agent_id)
        )
        await agents.delete(request.user, agent_id, version=version)

    @get("/{agent_id:uuid}/versions", permission="agents:read", operation_id="list_agent_versions")
    @inject
    async def versions(
        self,
        request: Call,
        agent_id: FromPath[UUID],
        page: NamedDependency[PageAsk],
        agents: FromDishka[ManageAgents],
    ) -> Response[Page[Agent]]:
        """List an agent's versions"""
        return paged(request, await agents.versions(request.user, agent_id, page))

    @post(
        "/{agent_id:uuid}/versions/{number:int}/restore",
        status_code=200,
        permission="agents:write",
        operation_id="restore_agent_version",
        fails=CHANGE,
    )
    @inject
    @once
    async def restore(
        self,
        request: Call,
        agent_id: FromPath[UUID],
        number: Number,
        agents: FromDishka[ManageAgents],
        if_match: IfMatch = None,
    ) -> Response[Agent]:
        """Restore a version

        Makes what the agent was then its newest version.
        """
        version = await expected_version(
            request, if_match, lambda: agents.get(request.user, agent_id)
        )
        return tagged(await agents.restore(request.user, agent_id, number, version=version))
