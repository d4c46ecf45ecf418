"""What was used, in memory."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from msgspec import UNSET, UnsetType

from polyagent.adapters.memory.state import State, UsageRow
from polyagent.domain.account import Actor
from polyagent.domain.usage import GroupBy, Mark, Sums, UsageAsk, UsageGroup, UsageReport

FIELDS: dict[GroupBy, str] = {
    "day": "day",
    "agent": "agent_id",
    "model": "model",
    "user": "user_id",
    "end_user": "end_user",
}


class MemoryUsageBook:
    def __init__(self, state: State) -> None:
        self._state = state

    async def read(
        self, actor: Actor, ask: UsageAsk, begin: datetime, end: datetime
    ) -> UsageReport:
        rows = [row for row in self._state.usage if _is_meant(row, actor, ask, begin, end)]
        groups = defaultdict[Any, list[UsageRow]](list)
        for row in rows:
            groups[_key(row, ask.group_by)].append(row)
        marked = sorted(
            ((_mark(key, group, ask.group_by), key) for key, group in groups.items()),
            key=lambda each: (each[0].rank, each[0].key),
            reverse=ask.page.order == "desc",
        )
        if ask.page.cursor is not None:
            after = Mark.of(ask.page.cursor)
            places = [mark for mark, _ in marked]
            marked = marked[_behind(places, after, ask.page.order == "desc") :]
        shown, rest = marked[: ask.page.limit], marked[ask.page.limit :]
        return UsageReport(
            items=[self._group(actor, ask.group_by, key, groups[key]) for _, key in shown],
            total=Sums(**_sums(rows)),
            begin=begin,
            end=end,
            next_cursor=shown[-1][0].cursor if rest else None,
        )

    def _group(self, actor: Actor, by: GroupBy, key: Any, rows: Sequence[UsageRow]) -> UsageGroup:
        return UsageGroup(**_sums(rows), **{FIELDS[by]: key}, name=self._name(actor, by, key))

    def _name(self, actor: Actor, by: GroupBy, key: UUID) -> str | UnsetType | None:
        if by == "user":
            account = self._state.accounts.get(key)
            return account.user.username if account else None
        if by != "agent":
            return UNSET
        agent = self._state.agents.get(key)
        if agent is None:
            return None
        is_seen = actor.is_admin or agent.owner_id == actor.user_id or agent.visibility == "shared"
        return agent.name if is_seen else None


def _is_meant(row: UsageRow, actor: Actor, ask: UsageAsk, begin: datetime, end: datetime) -> bool:
    return (
        row.workspace_id == actor.workspace_id
        and (row.user_id == actor.user_id or actor.is_admin)
        and begin <= row.at < end
        and ask.user_id in (None, row.user_id)
        and ask.agent_id in (None, row.agent_id)
        and ask.end_user in (None, row.end_user)
    )


def _key(row: UsageRow, by: GroupBy) -> Any:
    if by == "day":
        return row.at.astimezone(UTC).date().isoformat()
    return getattr(row, FIELDS[by])


def _mark(key: Any, rows: Sequence[UsageRow], by: GroupBy) -> Mark:
    rank = 0 if by == "day" else sum(row.usage.total_tokens for row in rows)
    return Mark(rank, "" if key is None else str(key))


def _behind(marks: Sequence[Mark], after: Mark, is_desc: bool) -> int:
    """Return how many of them come no later than `after`."""
    last = (after.rank, after.key)
    places = [(mark.rank, mark.key) for mark in marks]
    return sum(place >= last if is_desc else place <= last for place in places)


def _sums(rows: Sequence[UsageRow]) -> dict[str, Any]:
    spent = [row.usage for row in rows]
    costs = [usage.cost for usage in spent if usage.cost is not None]
    return {
        "runs": len({row.run_id for row in rows}),
        "calls": len(rows),
        "input_tokens": sum(usage.input_tokens for usage in spent),
        "cached_input_tokens": sum(usage.cached_input_tokens for usage in spent),
        "output_tokens": sum(usage.output_tokens for usage in spent),
        "reasoning_tokens": sum(usage.reasoning_tokens for usage in spent),
        "total_tokens": sum(usage.total_tokens for usage in spent),
        "estimated_tokens": sum(usage.total_tokens for usage in spent if usage.estimated),
        "cost": sum(costs) if costs else None,
    }
