"""Families of refresh tokens, in memory."""

from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace

from polyagent.adapters.memory.state import FamilyRow, State
from polyagent.adapters.memory.undo import Undo
from polyagent.domain.account import Actor
from polyagent.domain.token_family import RefreshToken, TokenFamily
from polyagent.ports.clock import Clock


class MemoryFamilies:
    def __init__(self, state: State, undo: Undo, actor: Actor, clock: Clock) -> None:
        self._state = state
        self._undo = undo
        self._actor = actor
        self._clock = clock

    async def add(self, family: TokenFamily) -> None:
        self._put(FamilyRow(family=family, rotated_at=self._clock.now()))

    async def rotate(self, token: RefreshToken, key: bytes, *, idle_s: float) -> TokenFamily | None:
        row = self._living(token)
        if row is None or row.family.token_hash != token.own_hash:
            return None
        if row.rotated_at + timedelta(seconds=idle_s) <= self._clock.now():
            return None
        family = replace(row.family, token_hash=token.successor(key).own_hash, successor_key=key)
        now = self._clock.now()
        self._put(replace(row, family=family, previous_hash=token.own_hash, rotated_at=now))
        return family

    async def rotated(self, token: RefreshToken, *, within_s: float) -> TokenFamily | None:
        row = self._living(token)
        if row is None or row.previous_hash != token.own_hash:
            return None
        late = row.rotated_at + timedelta(seconds=within_s) <= self._clock.now()
        return None if late else row.family

    async def revoke_reused(self, token: RefreshToken) -> UUID | None:
        row = self._found(token)
        if row is None or row.family.token_hash == token.own_hash:
            return None
        self._revoke(row)
        return row.family.user_id

    async def revoke(self, family_id: UUID) -> None:
        for row in self._ours():
            if (row.family.id, row.family.user_id) == (family_id, self._actor.user_id):
                self._revoke(row)

    async def revoke_all(self, user_id: UUID, *, but: UUID | None = None) -> None:
        for row in self._ours():
            if row.family.user_id == user_id and row.family.id != but:
                self._revoke(row)

    def _found(self, token: RefreshToken) -> FamilyRow | None:
        found = (row for row in self._ours() if row.family.family_hash == token.family_hash)
        return next(found, None)

    def _ours(self) -> list[FamilyRow]:
        """Return those of the workspace's users."""
        accounts, ours = self._state.accounts, self._actor.workspace_id
        rows = ((row, accounts.get(row.family.user_id)) for row in self._state.families.values())
        return [row for row, account in rows if account and account.user.workspace_id == ours]

    def _living(self, token: RefreshToken) -> FamilyRow | None:
        row = self._found(token)
        if row is None or row.revoked_at is not None or row.family.expires_at <= self._clock.now():
            return None
        account = self._state.accounts.get(row.family.user_id)
        is_active = account is not None and account.user.status == "active"
        return row if is_active else None

    def _revoke(self, row: FamilyRow) -> None:
        self._put(replace(row, revoked_at=row.revoked_at or self._clock.now()))

    def _put(self, row: FamilyRow) -> None:
        self._undo.put(self._state.families, row.family.id, row)
