"""The audit log, in memory."""

from polyagent.adapters.memory.page import paged
from polyagent.adapters.memory.state import State
from polyagent.adapters.memory.undo import Undo
from polyagent.domain.account import Actor
from polyagent.domain.audit import AuditEntry
from polyagent.domain.page import Page, PageAsk
from polyagent.ports.clock import Clock


class MemoryAuditLog:
    def __init__(self, state: State, undo: Undo, actor: Actor, _: Clock) -> None:
        self._state = state
        self._undo = undo
        self._workspace_id = actor.workspace_id

    async def add(self, entry: AuditEntry) -> None:
        self._undo.put(self._state.audit, (self._workspace_id, entry.id), entry)

    async def list(self, page: PageAsk) -> Page[AuditEntry]:
        entries = (
            entry for (ours, _), entry in self._state.audit.items() if ours == self._workspace_id
        )
        return paged(entries, page, lambda entry: entry.id.int)
