"""The session of one socket: the runs in it are watched, whoever starts them."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from uuid import UUID

from polyagent.adapters.http.socket.credentials import Credentials
from polyagent.adapters.http.socket.services import Services
from polyagent.adapters.http.socket.watches import MAX_WATCHES, Watches
from polyagent.domain.event import Event
from polyagent.domain.run import Sighting

MAX_KNOWN = 1000
PAGE = 500


class SessionWatch:
    """`session_id` None: a socket of no session, which watches what it is told to."""

    def __init__(
        self,
        session_id: UUID | None,
        credentials: Credentials,
        watches: Watches,
        services: Services,
    ) -> None:
        self.id = session_id
        self._credentials = credentials
        self._watches = watches
        self._services = services
        self._known: dict[UUID, None] = {}
        self._is_sending = False

    async def begin(self) -> None:
        """Watch the runs that have not ended, behind what the journal tells of them now."""
        if self.id is None:
            return
        for sighting in await self._services.runs.latest(self._credentials.actor, [self.id]):
            self.know(sighting.run_id)
            if not sighting.is_final:
                at = await self._end_of(sighting.run_id)
                self._watches.follow(sighting.run_id, self._behind(sighting.run_id, at))

    def find(self, sightings: Sequence[Sighting]) -> None:
        """Watch those that are new, from their start. What this socket sends itself it knows in time."""
        if self._is_sending:
            return
        for sighting in sightings:
            if sighting.run_id not in self._known and len(self._watches) < MAX_WATCHES:
                self.know(sighting.run_id)
                self._watches.follow(sighting.run_id, self._behind(sighting.run_id, 0))

    def know(self, run_id: UUID) -> None:
        """Leave this run to whoever watches it."""
        self._known[run_id] = None
        if len(self._known) > MAX_KNOWN:
            del self._known[next(iter(self._known))]

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Find nothing while a chat is sent, since its run has no name yet."""
        self._is_sending = True
        try:
            yield
        finally:
            self._is_sending = False

    async def _end_of(self, run_id: UUID) -> int:
        at = 0
        while True:
            actor = self._credentials.actor
            events, _ = await self._services.follow.page(actor, run_id, at, PAGE)
            at = events[-1].id if events else at
            if len(events) < PAGE:
                return at

    async def _behind(self, run_id: UUID, at: int) -> AsyncGenerator[Event | None, None]:
        actor = self._credentials.actor
        run = await self._services.runs.get(actor, run_id)
        async with aclosing(self._services.reader.after(actor, run, at)) as events:
            async for event in events:
                yield event
