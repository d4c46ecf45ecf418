"""The queued runs in memory, as the sweep of their queue walks through them."""

from collections.abc import Mapping, Sequence

from polyagent.adapters.memory.runs.runs import UNFINISHED
from polyagent.adapters.memory.state import State
from polyagent.domain.queue import Entry


class MemoryBacklog:
    def __init__(self, state: State) -> None:
        self._state = state

    async def page(self, after: int, limit: int) -> tuple[Sequence[Entry], int]:
        rows = self._state.runs.values()
        queued = [row for row in rows if row.run.status == "queued" and row.seq > after]
        page = sorted(queued, key=lambda row: row.seq)[:limit]
        entries = [self._state.entry(row) for row in page if self._state.claimable(row)]
        return entries, page[-1].seq if len(page) == limit else 0

    async def depth(self) -> Mapping[str, int]:
        statuses: list[str] = [row.run.status for row in self._state.runs.values()]
        return {status: statuses.count(status) for status in UNFINISHED}
