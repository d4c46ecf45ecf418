"""Answers under idempotency keys, in PostgreSQL."""

from uuid import UUID

import msgspec

from polyagent.adapters.postgres.errors import translated
from polyagent.adapters.postgres.pool import Pool
from polyagent.domain.account import Actor
from polyagent.domain.answer import HELD_S, LIFETIME_S, KeptAnswer
from polyagent.domain.errors import IdempotencyKeyReused, InProgress
from polyagent.domain.run import IdempotencyKey

TRIES = 3

# 1 workspace, 2 user, 3 end user, 4 route, 5 key
_KEY = "workspace_id = $1 AND user_id = $2 AND end_user = $3 AND route = $4 AND key = $5"

# as _KEY; 6 body hash, 7 holder, 8 for how many seconds
TAKE = """
INSERT INTO idempotency_keys AS k (
    workspace_id, user_id, end_user, route, key, body_hash, holder, created_at, expires_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, now(), now() + make_interval(secs => $8))
ON CONFLICT (workspace_id, user_id, end_user, route, key) DO UPDATE SET
    body_hash = excluded.body_hash, holder = excluded.holder, run_id = NULL, answer = NULL,
    created_at = excluded.created_at, expires_at = excluded.expires_at
WHERE k.expires_at <= now()
RETURNING true
"""

READ = f"SELECT body_hash, answer FROM idempotency_keys WHERE {_KEY} AND expires_at > now()"  # noqa: S608

# as _KEY; 6 holder, 7 for how many seconds
RENEW = f"""
UPDATE idempotency_keys SET expires_at = now() + make_interval(secs => $7)
WHERE {_KEY} AND holder = $6 AND answer IS NULL
"""  # noqa: S608  # pieces of our own, values are bound

# as _KEY; 6 holder, 7 for how many seconds, 8 KeptAnswer as JSON
KEEP = f"""
UPDATE idempotency_keys SET
    answer = $8::text::jsonb, expires_at = created_at + make_interval(secs => $7)
WHERE {_KEY} AND holder = $6
"""  # noqa: S608  # pieces of our own, values are bound

RELEASE = f"DELETE FROM idempotency_keys WHERE {_KEY} AND holder = $6 AND answer IS NULL"  # noqa: S608

_answer_of = msgspec.json.Decoder(KeptAnswer).decode


class PostgresAnswers:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin(self, actor: Actor, key: IdempotencyKey, holder: UUID) -> KeptAnswer | None:
        name = _name(actor, key)
        with translated():
            for _ in range(TRIES):
                if await self._pool.fetchval(TAKE, *name, key.body_hash, holder, HELD_S):
                    return None
                row = await self._pool.fetchrow(READ, *name)
                if row is None:
                    continue  # it was freed between the two
                if row["body_hash"] != key.body_hash:
                    raise IdempotencyKeyReused("This Idempotency-Key was used for something else.")
                if row["answer"] is not None:
                    return _answer_of(row["answer"])
                break
        raise InProgress("The first request under this Idempotency-Key is still at work.")

    async def renew(self, actor: Actor, key: IdempotencyKey, holder: UUID) -> None:
        with translated():
            await self._pool.execute(RENEW, *_name(actor, key), holder, HELD_S)

    async def keep(
        self, actor: Actor, key: IdempotencyKey, holder: UUID, answer: KeptAnswer
    ) -> None:
        told = msgspec.json.encode(answer).decode()
        with translated():
            await self._pool.execute(KEEP, *_name(actor, key), holder, LIFETIME_S, told)

    async def release(self, actor: Actor, key: IdempotencyKey, holder: UUID) -> None:
        with translated():
            await self._pool.execute(RELEASE, *_name(actor, key), holder)


def _name(actor: Actor, key: IdempotencyKey) -> tuple[UUID, UUID, str, str, str]:
    return actor.workspace_id, actor.user_id, key.end_user or "", key.route, key.key
