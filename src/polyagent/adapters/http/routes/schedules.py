from typing import Any
from uuid import UUID

from dishka import FromDishka
from dishka.integrations.litestar import inject
from litestar import Controller, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from polyagent.adapters.http.asks.once import once
from polyagent.adapters.http.asks.paging import paged
from polyagent.adapters.http.asks.preconditions import IfMatch, expected_version, tagged
from polyagent.adapters.http.call import Call
from polyagent.domain.errors import (
    CronInvalid,
    KindUnknown,
    NameTaken,
    NotFound,
    TimezoneUnknown,
    ToolUnknown,
    TooManyOpen,
)
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.schedule import NewSchedule, Schedule
from polyagent.domain.task import Task
from polyagent.usecases.schedules import ManageSchedules

UNKNOWN = (CronInvalid, TimezoneUnknown, KindUnknown, ToolUnknown, NotFound, NameTaken)


class ScheduleController(Controller):
    path = "/api/v1/schedules"
    tags = ("Schedules",)

    @get("/", permission="tasks:read", operation_id="list_schedules")
    @inject
    async def list_schedules(
        self, request: Call, page: NamedDependency[PageAsk], schedules: FromDishka[ManageSchedules]
    ) -> Response[Page[Schedule]]:
        """List schedules

        Your own; an administrator's list has everybody's.
        """
        return paged(request, await schedules.list(request.user, page))

    @post(
        "/",
        permission="tasks:write",
        operation_id="create_schedule",
        fails=(*UNKNOWN, TooManyOpen),
    )
    @inject
    @once
    async def create(
        self, request: Call, data: JSONBody[NewSchedule], schedules: FromDishka[ManageSchedules]
    ) -> Response[Schedule]:
        """Make a schedule

        At each instant of `cron` in `timezone` a task is enqueued: once, however many workers there are.
        """
        made = await schedules.create(request.user, data)
        return tagged(made, status_code=201, headers={"Location": f"{self.path}/{made.id}"})

    @get("/{schedule_id:uuid}", permission="tasks:read", operation_id="get_schedule")
    @inject
    async def read(
        self, request: Call, schedule_id: FromPath[UUID], schedules: FromDishka[ManageSchedules]
    ) -> Response[Schedule]:
        """Read a schedule"""
        return tagged(await schedules.get(request.user, schedule_id))

    @put(
        "/{schedule_id:uuid}",
        permission="tasks:write",
        operation_id="replace_schedule",
        fails=UNKNOWN,
    )
    @inject
    async def replace(
        self,
        request: Call,
        schedule_id: FromPath[UUID],
        data: JSONBody[NewSchedule],
        schedules: FromDishka[ManageSchedules],
        if_match: IfMatch = None,
    ) -> Response[Schedule]:
        """Replace a schedule

        With another cron or zone it fires next after now; else it fires next when it would have.
        """
        version = await expected_version(
            request, if_match, lambda: schedules.get(request.user, schedule_id)
        )
        return tagged(await schedules.replace(request.user, schedule_id, data, version=version))

    @patch(
        "/{schedule_id:uuid}",
        permission="tasks:write",
        operation_id="update_schedule",
        fails=UNKNOWN,
    )
    @inject
    async def update(
        self,
        request: Call,
        schedule_id: FromPath[UUID],
        data: JSONBody[dict[str, Any]],
        schedules: FromDishka[ManageSchedules],
        if_match: IfMatch = None,
    ) -> Response[Schedule]:
        """Change a schedule

        A merge patch (RFC 7396): null clears, objects merge. With another cron or zone it fires next
        after now.
        """
        version = await expected_version(
            request, if_match, lambda: schedules.get(request.user, schedule_id)
        )
        return tagged(await schedules.patch(request.user, schedule_id, data, version=version))

    @delete("/{schedule_id:uuid}", permission="tasks:write", operation_id="delete_schedule")
    @inject
    async def remove(
        self,
        request: Call,
        schedule_id: FromPath[UUID],
        schedules: FromDishka[ManageSchedules],
        if_match: IfMatch = None,
    ) -> None:
        """Delete a schedule

        The tasks that it made stay.
        """
        version = await expected_version(
            request, if_match, lambda: schedules.get(request.user, schedule_id)
        )
        await schedules.delete(request.user, schedule_id, version=version)

    @post(
        "/{schedule_id:uuid}/pause",
        status_code=200,
        permission="tasks:write",
        operation_id="pause_schedule",
    )
    @inject
    @once
    async def pause(
        self, request: Call, schedule_id: FromPath[UUID], schedules: FromDishka[ManageSchedules]
    ) -> Response[Schedule]:
        """Pause a schedule

        What would have fired meanwhile does not fire later.
        """
        return tagged(await schedules.turn(request.user, schedule_id, on=False))

    @post(
        "/{schedule_id:uuid}/resume",
        status_code=200,
        permission="tasks:write",
        operation_id="resume_schedule",
    )
    @inject
    @once
    async def resume(
        self, request: Call, schedule_id: FromPath[UUID], schedules: FromDishka[ManageSchedules]
    ) -> Response[Schedule]:
        """Resume a schedule

        It fires next after now.
        """
        return tagged(await schedules.turn(request.user, schedule_id, on=True))

    @post(
        "/{schedule_id:uuid}/trigger",
        status_code=202,
        permission="tasks:write",
        operation_id="trigger_schedule",
        fails=(KindUnknown, TooManyOpen),
    )
    @inject
    @once
    async def trigger(
        self, request: Call, schedule_id: FromPath[UUID], schedules: FromDishka[ManageSchedules]
    ) -> Response[Task]:
        """Trigger a schedule

        Enqueues its task now, paused or not; when it fires next stays as it is.
        """
        task = await schedules.trigger(request.user, schedule_id)
        return Response(task, status_code=202, headers={"Location": f"/api/v1/tasks/{task.id}"})
