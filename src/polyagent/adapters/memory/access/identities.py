"""Users of other issuers, in memory."""

from uuid import UUID

from polyagent.adapters.memory.state import State
from polyagent.adapters.memory.undo import Undo
from polyagent.domain.account import Actor
from polyagent.domain.errors import Conflict
from polyagent.ports.clock import Clock


class MemoryIdentities:
    def __init__(self, state: State, undo: Undo, actor: Actor, _: Clock) -> None:
        self._state = state
        self._undo = undo
        self._workspace_id = actor.workspace_id

    async def find(self, issuer: str, subject: str) -> UUID | None:
        return self._state.identities.get((self._workspace_id, issuer, subject))

    async def add(self, issuer: str, subject: str, user_id: UUID) -> None:
        if await self.find(issuer, subject) is not None:
            raise Conflict("There is one like this already.")
        self._undo.put(self._state.identities, (self._workspace_id, issuer, subject), user_id)
