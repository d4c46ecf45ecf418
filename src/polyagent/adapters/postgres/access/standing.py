"""Whom credentials stand for, in one statement for all that are asked for."""

from collections.abc import Collection, Mapping
from uuid import UUID

import asyncpg
import msgspec

from polyagent.adapters.postgres.errors import translated
from polyagent.adapters.postgres.pool import Pool
from polyagent.domain.account import Actor, Claims
from polyagent.domain.api_key import KeyOnFile
from polyagent.domain.audit import CLIENT
from polyagent.domain.ids import new_id

# 1 users, 2 session versions (NULL: any), 3 families, 4 keys, 5 ids for entries of the audit log,
# 6 the client; `n` counts from 1. A use is noted once an hour, and where the client is another than at
# the last note; each once a minute at most.
STANDING = """
WITH asked AS (
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::uuid[], $5::uuid[]) WITH ORDINALITY
        AS asked (user_id, session_version, family_id, key_id, entry_id, n)
), used AS (
    UPDATE api_keys SET last_used_at = now(),
        noted_at = CASE WHEN noted_at > now() - interval '1 hour'
            AND noted_client IS NOT DISTINCT FROM coalesce($6, noted_client)
            THEN noted_at ELSE now() END,
        noted_client = coalesce($6, noted_client)
    FROM asked
    WHERE api_keys.id = asked.key_id AND api_keys.user_id = asked.user_id
        AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
    RETURNING api_keys.id, api_keys.workspace_id, api_keys.user_id, asked.entry_id,
        noted_at = now() AS is_noted
), noted AS (
    INSERT INTO audit (id, workspace_id, actor_id, action, outcome, object, client)
    SELECT entry_id, workspace_id, user_id, 'api_key.used', 'done', id::text, $6 FROM used WHERE is_noted
)
SELECT asked.n, u.id, u.workspace_id, u.role, k.scopes
FROM asked
JOIN users u ON u.id = asked.user_id AND u.status = 'active'
LEFT JOIN token_families f ON f.id = asked.family_id AND f.user_id = u.id
    AND f.revoked_at IS NULL AND f.expires_at > now()
LEFT JOIN api_keys k ON k.id = asked.key_id AND k.user_id = u.id
    AND (k.expires_at IS NULL OR k.expires_at > now())
WHERE CASE WHEN asked.key_id IS NOT NULL THEN k.id IS NOT NULL
           WHEN asked.family_id IS NOT NULL THEN f.id IS NOT NULL
           ELSE coalesce(asked.session_version, u.session_version) = u.session_version END
"""

# 1 the key
KEY = "SELECT user_id, secret_hash, expires_at FROM api_keys WHERE id = $1"

_scopes = msgspec.json.Decoder(frozenset[str]).decode


class PostgresStanding:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def of(self, asked: Collection[Claims]) -> Mapping[Claims, Actor]:
        claims = [*asked]
        with translated():
            rows = await self._pool.fetch(
                STANDING,
                [each.user_id for each in claims],
                [each.session_version for each in claims],
                [each.family_id for each in claims],
                [each.key_id for each in claims],
                [new_id() for _ in claims],
                CLIENT.get(),
            )
        return {claims[row["n"] - 1]: _actor(row) for row in rows}

    async def key(self, key_id: UUID) -> KeyOnFile | None:
        with translated():
            row = await self._pool.fetchrow(KEY, key_id)
        return None if row is None else KeyOnFile(**row)


def _actor(row: asyncpg.Record) -> Actor:
    return Actor(
        user_id=row["id"],
        workspace_id=row["workspace_id"],
        role=row["role"],
        scopes=None if row["scopes"] is None else _scopes(row["scopes"]),
    )
