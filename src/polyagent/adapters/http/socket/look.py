"""Sessions that sockets watch: their runs are found whoever starts them, on whatever process."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

import structlog
from dishka import AsyncContainer

from polyagent.domain.account import Actor
from polyagent.domain.errors import Unavailable
from polyagent.domain.run import Sighting
from polyagent.ports.clock import Clock
from polyagent.usecases.runs import ManageRuns

LOOK_S = 1.0

Listener = Callable[[Sequence[Sighting]], None]

log = structlog.get_logger("polyagent.http")


class SessionLook:
    """Looks once a second for all watched sessions of this process together."""

    def __init__(self) -> None:
        self._listeners: defaultdict[tuple[UUID, UUID], set[Listener]] = defaultdict(set)

    @contextmanager
    def telling(self, actor: Actor, session_id: UUID, listener: Listener) -> Iterator[None]:
        """Show `listener` the session's latest runs after each look."""
        place = (actor.workspace_id, session_id)
        self._listeners[place].add(listener)
        try:
            yield
        finally:
            self._listeners[place].discard(listener)
            if not self._listeners[place]:
                del self._listeners[place]

    async def go(self, container: AsyncContainer) -> None:
        """Look until it is cancelled."""
        runs, clock = await container.get(ManageRuns), await container.get(Clock)
        while True:
            await clock.sleep(LOOK_S)
            for workspace_id in {workspace_id for workspace_id, _ in self._listeners}:
                await self._look_at(runs, workspace_id)

    async def _look_at(self, runs: ManageRuns, workspace_id: UUID) -> None:
        sessions = [session for place, session in self._listeners if place == workspace_id]
        found: defaultdict[UUID, list[Sighting]] = defaultdict(list)
        try:
            for sighting in await runs.latest(Actor.system(workspace_id), sessions):
                found[sighting.session_id].append(sighting)
        except Unavailable:
            return
        except Exception:
            log.exception("socket.look_broke")
            return
        for session_id, sightings in found.items():
            for listener in tuple(self._listeners.get((workspace_id, session_id), ())):
                listener(sightings)
