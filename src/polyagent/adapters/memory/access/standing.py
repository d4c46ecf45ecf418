"""Whom credentials stand for, in memory."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from polyagent.adapters.memory.state import ApiKeyRow, State
from polyagent.domain.account import Account, Actor, Claims
from polyagent.domain.api_key import KeyOnFile
from polyagent.domain.audit import CLIENT, AuditEntry
from polyagent.domain.ids import new_id
from polyagent.ports.clock import Clock

USED_EVERY = timedelta(minutes=1)
NOTED_EVERY = timedelta(hours=1)


class MemoryStanding:
    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    async def of(self, asked: Collection[Claims]) -> Mapping[Claims, Actor]:
        found = ((claims, self._actor(claims)) for claims in asked)
        return {claims: actor for claims, actor in found if actor is not None}

    def _actor(self, claims: Claims) -> Actor | None:
        account = self._state.accounts.get(claims.user_id)
        if account is None or account.user.status != "active":
            return None
        if not self._holds(claims, account):
            return None
        user = account.user
        return Actor(
            user_id=user.id,
            workspace_id=user.workspace_id,
            role=user.role,
            scopes=self._scopes(claims),
        )

    async def key(self, key_id: UUID) -> KeyOnFile | None:
        row = self._state.api_keys.get(key_id)
        if row is None:
            return None
        return KeyOnFile(
            user_id=row.key.user_id, secret_hash=row.secret_hash, expires_at=row.key.expires_at
        )

    def _scopes(self, claims: Claims) -> frozenset[str] | None:
        """Return what the key is good for, noting that it was used."""
        if claims.key_id is None:
            return None
        row, now = self._state.api_keys[claims.key_id], self._clock.now()
        if row.key.last_used_at is None or row.key.last_used_at < now - USED_EVERY:
            row = replace(row, key=replace(row.key, last_used_at=now))
            self._state.api_keys[claims.key_id] = self._noted(row, now)
        return frozenset(row.key.scopes)

    def _noted(self, row: ApiKeyRow, now: datetime) -> ApiKeyRow:
        """Note the use of a key once an hour, and where the client is another than at the last note."""
        client = CLIENT.get() or row.noted_client
        if row.noted_at and row.noted_at > now - NOTED_EVERY and client == row.noted_client:
            return row
        entry = AuditEntry(
            id=new_id(),
            at=now,
            actor_id=row.key.user_id,
            action="api_key.used",
            object=str(row.key.id),
            client=CLIENT.get(),
        )
        self._state.audit[row.workspace_id, entry.id] = entry
        return replace(row, noted_at=now, noted_client=client)

    def _holds(self, claims: Claims, account: Account) -> bool:
        if claims.key_id is not None:
            return self._key_holds(claims, claims.key_id)
        if claims.family_id is None:
            return claims.session_version in (None, account.session_version)
        row = self._state.families.get(claims.family_id)
        return (
            row is not None
            and row.family.user_id == claims.user_id
            and row.revoked_at is None
            and row.family.expires_at > self._clock.now()
        )

    def _key_holds(self, claims: Claims, key_id: UUID) -> bool:
        row = self._state.api_keys.get(key_id)
        if row is None or row.key.user_id != claims.user_id:
            return False
        return row.key.expires_at is None or row.key.expires_at > self._clock.now()
