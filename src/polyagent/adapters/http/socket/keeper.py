"""When a socket is over: nobody says anything, or its credentials have run out."""

from polyagent.adapters.http.socket.connection import Close, Connection
from polyagent.adapters.http.socket.credentials import Credentials
from polyagent.adapters.http.socket.watches import Watches
from polyagent.ports.clock import Clock

FIRST_FRAME_S = 10.0
IDLE_S = 300.0
CHECK_S = 30.0


class Keeper:
    def __init__(
        self, connection: Connection, credentials: Credentials, watches: Watches, clock: Clock
    ) -> None:
        self._connection = connection
        self._credentials = credentials
        self._watches = watches
        self._clock = clock

    async def keep(self) -> None:
        """Close the socket when it is time to."""
        await self._clock.sleep(FIRST_FRAME_S)
        while (why := self._verdict()) is None:
            await self._clock.sleep(max(0.0, self._next_s() - self._clock.monotonic()))
        self._connection.close(why)

    def _verdict(self) -> Close | None:
        now_s = self._clock.monotonic()
        if not self._credentials.are_given or now_s >= self._credentials.good_until_s:
            return Close.UNAUTHENTICATED
        if not self._watches and now_s >= self._connection.last_said_s + IDLE_S:
            return Close.IDLE
        return None

    def _next_s(self) -> float:
        deadlines = [self._clock.monotonic() + CHECK_S, self._credentials.good_until_s]
        if not self._watches:
            deadlines.append(self._connection.last_said_s + IDLE_S)
        return min(deadlines)
