from typing import Annotated
from uuid import UUID

import msgspec
from dishka import FromDishka
from dishka.integrations.litestar import inject
from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from polyagent.adapters.http.asks.paging import linked
from polyagent.adapters.http.asks.periods import ends_before, starts_at
from polyagent.adapters.http.call import Call
from polyagent.adapters.http.routes.sessions import EndUser
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.task import TaskStats
from polyagent.domain.usage import GroupBy, UsageAsk, UsageReport
from polyagent.usecases.tasks import ManageTasks
from polyagent.usecases.usage import ReadUsage

From = Annotated[
    str | None,
    QueryParameter(
        name="from",
        max_length=100,
        description="A UTC day, which counts from its beginning, or an RFC 3339 instant. "
        "Default: 30 days before `to`.",
    ),
]
To = Annotated[
    str | None,
    QueryParameter(
        name="to",
        max_length=100,
        description="A UTC day, which counts to its end, or an RFC 3339 instant, before which it "
        "was. Default: now. At most 366 days after `from`.",
    ),
]
CreatedFrom = Annotated[
    str | None,
    QueryParameter(name="from", max_length=100, description="Those created on this day or later."),
]
CreatedTo = Annotated[
    str | None,
    QueryParameter(
        name="to", max_length=100, description="Those created on this day or before it."
    ),
]
Grouping = Annotated[
    GroupBy,
    QueryParameter(
        description="Days come newest first, other groups with those that used most first."
    ),
]


class StatsController(Controller):
    path = "/api/v1/stats"
    tags = ("Statistics",)

    @get("/usage", permission="chat", operation_id="read_usage")
    @inject
    async def usage(
        self,
        request: Call,
        page: NamedDependency[PageAsk],
        read: FromDishka[ReadUsage],
        begin: From = None,
        end: To = None,
        group_by: Grouping = "day",
        user_id: FromQuery[UUID | None] = None,
        end_user: EndUser = None,
        agent_id: FromQuery[UUID | None] = None,
    ) -> Response[UsageReport]:
        """Read what was used

        Calls of models and their tokens, of your own runs; an administrator's answer is of everyone's.
        What was used stays counted when its session is deleted. `total` is of all groups; the link to
        the next page names the time of the first.
        """
        ask = UsageAsk(
            group_by=group_by,
            begin=starts_at(begin),
            end=ends_before(end),
            user_id=user_id,
            end_user=end_user,
            agent_id=agent_id,
            page=page,
        )
        report = await read(request.user, ask)
        period = {"from": _text(report.begin), "to": _text(report.end)}
        return linked(request, report, report.next_cursor, period)

    @get("/tasks", permission="tasks:read", operation_id="read_task_stats")
    @inject
    async def tasks(
        self,
        request: Call,
        tasks: FromDishka[ManageTasks],
        begin: CreatedFrom = None,
        end: CreatedTo = None,
    ) -> Page[TaskStats]:
        """Count tasks

        Your own by kind and status; an administrator's count is of everybody's.
        """
        span = starts_at(begin), ends_before(end)
        return Page(items=[*await tasks.stats(request.user, *span)])


def _text(instant: object) -> str:
    return str(msgspec.to_builtins(instant))
