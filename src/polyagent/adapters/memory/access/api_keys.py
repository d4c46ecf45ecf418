"""API keys, in memory."""

from collections.abc import Iterator
from uuid import UUID

import msgspec

from polyagent.adapters.memory.page import paged
from polyagent.adapters.memory.state import ApiKeyRow, State
from polyagent.adapters.memory.undo import Undo
from polyagent.domain.account import Actor
from polyagent.domain.api_key import ApiKey
from polyagent.domain.errors import NotFound
from polyagent.domain.page import Page, PageAsk
from polyagent.ports.clock import Clock


class MemoryApiKeys:
    def __init__(self, state: State, undo: Undo, actor: Actor, _: Clock) -> None:
        self._state = state
        self._undo = undo
        self._actor = actor

    async def add(self, key: ApiKey, secret_hash: bytes) -> None:
        columns = {field: getattr(key, field) for field in ApiKey.__struct_fields__}
        row = ApiKeyRow(
            key=msgspec.convert(columns, ApiKey),
            secret_hash=secret_hash,
            workspace_id=self._actor.workspace_id,
        )
        self._undo.put(self._state.api_keys, key.id, row)

    async def list(self, page: PageAsk) -> Page[ApiKey]:
        return paged((row.key for row in self._visible()), page, lambda key: key.id.int)

    async def delete(self, key_id: UUID) -> UUID:
        for row in self._visible():
            if row.key.id == key_id:
                self._undo.remove(self._state.api_keys, key_id)
                return row.key.user_id
        raise NotFound(f"There is no API key {key_id}.")

    def _visible(self) -> Iterator[ApiKeyRow]:
        for row in self._state.api_keys.values():
            is_ours = row.workspace_id == self._actor.workspace_id
            if is_ours and (self._actor.is_admin or row.key.user_id == self._actor.user_id):
                yield row
