"""What the publisher knows of one run."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from polyagent.adapters.redis.live.log import adding, channel_of, key_of, lines_of
from polyagent.adapters.redis.live.wire import Command
from polyagent.domain.event import Event

LIFE_S = 3600
RENEW_S = 600


class Track:
    """`added` is the last event that was published, `reached` the last that the log has.

    `is_broken`: the log is not what was written. `is_done`: all was sent, and no more will come.
    """

    def __init__(self, run_id: UUID, epoch: int) -> None:
        self.run_id = run_id
        self.epoch = epoch
        self.pending: list[Event] = []
        self.added = 0
        self.reached = 0
        self.is_broken = epoch > 1  # what an executor before us left of it is not known
        self.is_closed = False
        self.is_done = False
        self._is_new = True
        self._renew_at_s = 0.0
        self._sent: list[Event] = []
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []

    def add(self, event: Event) -> None:
        self.pending.append(event)
        self.added = event.id

    def commands(self, now_s: float, live_log_s: float) -> list[Command]:
        """Return what writes the pending events, and says how long the log is to live."""
        made: list[Command] = []
        self._sent, self.pending = self.pending, []
        if self._sent:
            options = () if self._is_new else ("NOMKSTREAM",)
            made.append(adding(self.run_id, self._sent, *options))
            made.append(("PUBLISH", channel_of(self.run_id), lines_of(self._sent)))
        self.is_done = self.is_closed
        if self.is_closed:
            made.append(("EXPIRE", key_of(self.run_id), max(1, round(live_log_s))))
        elif now_s >= self._renew_at_s:
            self._renew_at_s = now_s + RENEW_S
            made.append(("EXPIRE", key_of(self.run_id), LIFE_S))
        return made

    def settle(self, replies: Sequence[Any]) -> None:
        """Take the replies to `commands`: no id means that the log is gone, or ahead of us."""
        if not self._sent:
            return
        self._is_new = False
        if isinstance(replies[0], bytes):
            self.reach(self._sent[-1].id)
        else:
            self.is_broken = True

    def mended(self, last: int) -> None:
        self.is_broken = self._is_new = False
        self.reach(last)

    def reach(self, last: int) -> None:
        self.reached = max(self.reached, last)
        for waited, waiter in self._waiters:
            if waited <= self.reached and not waiter.done():
                waiter.set_result(None)
        self._waiters = [pair for pair in self._waiters if not pair[1].done()]

    async def has_all(self) -> None:
        """Return when the log has all that was added until now."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append((self.added, waiter))
        await waiter
