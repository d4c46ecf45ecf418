from dishka import FromDishka
from dishka.integrations.litestar import inject
from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody

from polyagent.adapters.http.asks.once import once
from polyagent.adapters.http.call import Call
from polyagent.domain.errors import NotFound, ToolUnknown
from polyagent.domain.page import Page
from polyagent.domain.tool import Executed, ExecuteTool, Tool
from polyagent.usecases.tools import UseTools


class ToolController(Controller):
    path = "/api/v1/tools"
    tags = ("Tools",)

    @get("/", permission="agents:read", operation_id="list_tools")
    @inject
    async def list_tools(self, request: Call, tools: FromDishka[UseTools]) -> Page[Tool]:
        """List tools

        All of them, on one page.
        """
        return Page(items=list(tools.list(request.user)))

    @get("/{name:str}", permission="agents:read", operation_id="get_tool")
    @inject
    async def read(self, request: Call, name: FromPath[str], tools: FromDishka[UseTools]) -> Tool:
        """Read a tool"""
        try:
            return tools.get(request.user, name)
        except ToolUnknown as error:
            raise NotFound(error.detail) from error

    @post(
        "/execute",
        status_code=200,
        permission="tools:execute",
        operation_id="execute_tool",
        fails=(ToolUnknown,),
    )
    @inject
    @once
    async def execute(
        self, request: Call, data: JSONBody[ExecuteTool], tools: FromDishka[UseTools]
    ) -> Executed:
        """Call a tool by hand

        Outside any run. What the tool or its arguments get wrong is a `failed` answer.
        """
        return await tools.execute(request.user, data)
