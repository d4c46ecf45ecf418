from uuid import UUID

from dishka import FromDishka
from dishka.integrations.litestar import inject
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from polyagent.adapters.http.asks.failing import TASK
from polyagent.adapters.http.asks.once import once
from polyagent.adapters.http.asks.paging import paged
from polyagent.adapters.http.call import Call
from polyagent.adapters.http.routes.sessions import EndUser
from polyagent.domain.errors import AddressRefused, Conflict, TaskFinished, TooManyOpen
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.task import NewTask, Task, TaskStatus
from polyagent.usecases.tasks import ManageTasks


class TaskController(Controller):
    path = "/api/v1/tasks"
    tags = ("Tasks",)

    @post(
        "/",
        status_code=202,
        permission="tasks:write",
        operation_id="create_task",
        fails=(*TASK, AddressRefused, TooManyOpen),
    )
    @inject
    @once
    async def create(
        self, request: Call, data: JSONBody[NewTask], tasks: FromDishka[ManageTasks]
    ) -> Response[Task]:
        """Enqueue a task

        A worker does it in its turn, and tries again if it fails. While a task of yours with the same
        `unique_key` is live, that one is the answer (200).
        """
        task, is_new = await tasks.create(request.user, data)
        return Response(
            task,
            status_code=202 if is_new else 200,
            media_type="application/json",
            headers={"Location": f"/api/v1/tasks/{task.id}"},
        )

    @get("/", permission="tasks:read", operation_id="list_tasks")
    @inject
    async def list_tasks(
        self,
        request: Call,
        page: NamedDependency[PageAsk],
        tasks: FromDishka[ManageTasks],
        status: FromQuery[TaskStatus | None] = None,
        kind: FromQuery[str | None] = None,
        end_user: EndUser = None,
    ) -> Response[Page[Task]]:
        """List tasks

        Your own; an administrator's list has everybody's.
        """
        found = await tasks.list(request.user, page, status=status, kind=kind, end_user=end_user)
        return paged(request, found)

    @get("/{task_id:uuid}", permission="tasks:read", operation_id="get_task")
    @inject
    async def read(
        self, request: Call, task_id: FromPath[UUID], tasks: FromDishka[ManageTasks]
    ) -> Task:
        """Read a task"""
        return await tasks.get(request.user, task_id)

    @post(
        "/{task_id:uuid}/cancel",
        status_code=202,
        permission="tasks:write",
        operation_id="cancel_task",
        fails=(TaskFinished,),
    )
    @inject
    @once
    async def cancel(
        self, request: Call, task_id: FromPath[UUID], tasks: FromDishka[ManageTasks]
    ) -> Task:
        """Cancel a task

        One that runs is told so, and ends soon.
        """
        return await tasks.cancel(request.user, task_id)

    @post(
        "/{task_id:uuid}/retry",
        status_code=202,
        permission="tasks:write",
        operation_id="retry_task",
        fails=(TaskFinished, Conflict),
    )
    @inject
    @once
    async def retry(
        self, request: Call, task_id: FromPath[UUID], tasks: FromDishka[ManageTasks]
    ) -> Task:
        """Try a dead task again

        With as many attempts as it had at first.
        """
        return await tasks.retry(request.user, task_id)
