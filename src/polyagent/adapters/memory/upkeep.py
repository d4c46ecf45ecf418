"""Taking away what nobody can ask for any more, in memory."""

from datetime import timedelta
from uuid import UUID

from polyagent.adapters.memory.state import State
from polyagent.ports.clock import Clock


class MemoryUpkeep:
    def __init__(
        self, state: State, clock: Clock, *, audit_keep_days: int, task_keep_days: int
    ) -> None:
        self._audit_kept = timedelta(days=audit_keep_days)
        self._state = state
        self._tasks_kept = timedelta(days=task_keep_days)
        self._clock = clock

    async def sweep(self) -> bool:
        now, state = self._clock.now(), self._state
        state.keys = {name: row for name, row in state.keys.items() if row.expires_at >= now}
        for name in [name for name, row in state.answers.items() if row.expires_at < now]:
            del state.answers[name]
        families = state.families.items()
        state.families = {id_: row for id_, row in families if row.family.expires_at >= now}
        since = now - self._audit_kept
        state.audit = {name: entry for name, entry in state.audit.items() if entry.at >= since}
        for row in [*state.tasks.values()]:
            if row.finished_at is not None and row.finished_at < now - self._tasks_kept:
                del state.tasks[row.asked.id]
        for session_id in [*state.deleted_sessions]:
            self._forget(session_id)
        return False

    def _forget(self, session_id: UUID) -> None:
        rows = [*self._state.runs_of(session_id)]
        if not all(row.run.is_final for row in rows):
            return
        for row in rows:
            for table in (self._state.messages, self._state.events, self._state.calls):
                table.pop(row.run.id, None)
            del self._state.runs[row.run.id]
        self._state.copies.pop(session_id, None)
        self._state.deleted_sessions.discard(session_id)
        del self._state.sessions[session_id]
