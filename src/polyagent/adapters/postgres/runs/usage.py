"""What was used, in PostgreSQL: sums over a row for each call of a model, which its step wrote."""

from datetime import datetime
from typing import get_args

import msgspec

from polyagent.adapters.postgres.errors import translated
from polyagent.adapters.postgres.pool import Pool
from polyagent.domain.account import Actor
from polyagent.domain.page import Order
from polyagent.domain.usage import GroupBy, Mark, Sums, UsageAsk, UsageGroup, UsageReport

_TOKENS = "sum(total_tokens)"

_AGENT_NAME = """, 'name', (
                SELECT name FROM agents a WHERE a.id = g.key
                    AND (a.user_id = $2 OR a.visibility = 'shared' OR $3)
            )"""
_USER_NAME = ", 'name', (SELECT username FROM users u WHERE u.id = g.key)"

# its key, its rank, the fields that name it
_GROUPS: dict[GroupBy, tuple[str, str, str]] = {
    "day": ("(at AT TIME ZONE 'UTC')::date", "key - DATE '2000-01-01'", "'day', key"),
    "agent": ("agent_id", _TOKENS, f"'agent_id', key{_AGENT_NAME}"),
    "model": ("model", _TOKENS, "'model', key"),
    "user": ("user_id", _TOKENS, f"'user_id', key{_USER_NAME}"),
    "end_user": ("end_user", _TOKENS, "'end_user', key"),
}

_SUMS = """coalesce(sum(calls), 0)::bigint AS calls,
        coalesce(sum(input_tokens), 0)::bigint AS input_tokens,
        coalesce(sum(cached_input_tokens), 0)::bigint AS cached_input_tokens,
        coalesce(sum(output_tokens), 0)::bigint AS output_tokens,
        coalesce(sum(reasoning_tokens), 0)::bigint AS reasoning_tokens,
        coalesce(sum(total_tokens), 0)::bigint AS total_tokens,
        coalesce(sum(estimated_tokens), 0)::bigint AS estimated_tokens,
        sum(cost) AS cost"""


def _read(by: GroupBy, order: Order) -> str:
    """Return the statement that reads a page of groups, and the total of all.

    1 workspace, 2 user, 3 is administrator, 4 begin, 5 end, 6 whose, 7 agent, 8 end user, 9 and 10 the
    mark that they come after, 11 how many. A run is counted once for each group that it is in.
    """
    key, rank, fields = _GROUPS[by]
    behind = "<" if order == "desc" else ">"
    return f"""
WITH of_run AS MATERIALIZED (
    SELECT run_id, {key} AS key, count(*) AS calls, sum(input_tokens) AS input_tokens,
        sum(cached_input_tokens) AS cached_input_tokens, sum(output_tokens) AS output_tokens,
        sum(reasoning_tokens) AS reasoning_tokens, sum(total_tokens) AS total_tokens,
        sum(total_tokens) FILTER (WHERE estimated) AS estimated_tokens, sum(cost) AS cost
    FROM usage
    WHERE workspace_id = $1 AND (user_id = $2 OR $3::boolean) AND at >= $4 AND at < $5
        AND ($6::uuid IS NULL OR user_id = $6)
        AND ($7::uuid IS NULL OR agent_id = $7)
        AND ($8::text IS NULL OR end_user = $8)
    GROUP BY run_id, 2
), grouped AS (
    SELECT key, ({rank})::bigint AS rank, coalesce(key::text, '') COLLATE "C" AS place,
        count(*) AS runs, {_SUMS}
    FROM of_run GROUP BY key
), g AS (
    SELECT * FROM grouped WHERE $9::bigint IS NULL OR (rank, place) {behind} ($9, $10::text)
    ORDER BY rank {order}, place {order} LIMIT $11
)
SELECT
    (
        SELECT coalesce(json_agg(
            (to_jsonb(g) - 'key') || jsonb_build_object({fields})
            ORDER BY rank {order}, place {order}
        ), '[]')::text FROM g
    ) AS groups,
    (
        SELECT row_to_json(t)::text
        FROM (SELECT count(DISTINCT run_id) AS runs, {_SUMS} FROM of_run) t
    ) AS total
"""  # noqa: S608  # pieces of our own, values are bound


_STATEMENTS = {(by, order): _read(by, order) for by in _GROUPS for order in get_args(Order)}

_groups_of = msgspec.json.Decoder(list[UsageGroup]).decode
_sums_of = msgspec.json.Decoder(Sums).decode


class _Place(msgspec.Struct):
    rank: int
    place: str


_places_of = msgspec.json.Decoder(list[_Place]).decode


class PostgresUsageBook:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(
        self, actor: Actor, ask: UsageAsk, begin: datetime, end: datetime
    ) -> UsageReport:
        after = None if ask.page.cursor is None else Mark.of(ask.page.cursor)
        with translated():
            (row,) = await self._pool.fetch(
                _STATEMENTS[ask.group_by, ask.page.order],
                actor.workspace_id,
                actor.user_id,
                actor.is_admin,
                begin,
                end,
                ask.user_id,
                ask.agent_id,
                ask.end_user,
                after and after.rank,
                after and after.key,
                ask.page.limit + 1,
            )
        found = _groups_of(row["groups"])
        has_more = len(found) > ask.page.limit
        last = _places_of(row["groups"])[ask.page.limit - 1 : ask.page.limit]
        return UsageReport(
            items=found[: ask.page.limit],
            total=_sums_of(row["total"]),
            begin=begin,
            end=end,
            next_cursor=Mark(last[0].rank, last[0].place).cursor if has_more else None,
        )
