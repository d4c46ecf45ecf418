"""Writing what happens in the runs of this process to Redis: one pipeline carries what is new of all."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import structlog
from redis.asyncio import Redis as RedisClient
from redis.exceptions import ResponseError

from polyagent.adapters.redis.live.log import (
    adding_all,
    channel_of,
    is_told,
    key_of,
    lines_of,
    read,
)
from polyagent.adapters.redis.live.track import LIFE_S, Track
from polyagent.adapters.redis.live.wire import AWAY, Command, Wire
from polyagent.domain.errors import Unavailable
from polyagent.domain.event import EPOCH, Event
from polyagent.ports.clock import Clock
from polyagent.ports.events import LiveLogs
from polyagent.ports.runs import Runs

BATCH_S = 0.02
FLUSH_S = 0.25
FIRST_PAUSE_S = 0.05
LAST_PAUSE_S = 1.0
MEND_PAUSE_S = 0.25

log = structlog.get_logger("polyagent.redis")


class Publisher:
    """The first event after a pause goes out at once, later ones in batches, or when somebody waits.

    Whatever goes wrong makes the logs of the open runs broken, and a broken log is mended from its own
    rest, the journal and the memory of this process: nothing is kept back for Redis to return.
    """

    def __init__(
        self,
        client: RedisClient,
        wire: Wire,
        logs: LiveLogs,
        runs: Runs,
        clock: Clock,
        *,
        live_log_s: float,
    ) -> None:
        self._client = client
        self._wire = wire
        self._logs = logs
        self._runs = runs
        self._clock = clock
        self._live_log_s = live_log_s
        self._tracks: dict[UUID, Track] = {}
        self._dirty: set[Track] = set()
        self._hints: list[Command] = []
        self._filled = asyncio.Event()
        self._hurried = asyncio.Event()
        self._broken = asyncio.Event()
        self._pause_s = 0.0

    def open(self, run_id: UUID, epoch: int) -> None:
        track = self._tracks[run_id] = Track(run_id, epoch)
        if track.is_broken:
            self._broken.set()

    def add(self, event: Event) -> None:
        track = self._tracks.get(event.run_id)
        if track is not None and is_told(event):
            track.add(event)
            self._touch(track)

    def close(self, run_id: UUID) -> None:
        if (track := self._tracks.get(run_id)) is not None:
            track.is_closed = True
            self._touch(track)

    def hint(self, channel: bytes, message: bytes) -> None:
        """Publish something beside the runs; nobody waits for it."""
        self._hints.append(("PUBLISH", channel, message))
        self._filled.set()
        self._hurried.set()

    async def flush(self, run_id: UUID) -> None:
        """Return when the run's deltas have reached its log; while Redis is away, at once."""
        track = self._tracks.get(run_id)
        if track is None or self._pause_s or track.added <= track.reached:
            return
        self._hurried.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                await track.has_all()

    async def publishing(self) -> None:
        while True:
            await self._filled.wait()
            self._filled.clear()
            self._hurried.clear()
            await self.send()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s or BATCH_S):
                    await self._hurried.wait()

    async def mending(self) -> None:
        while True:
            await self._broken.wait()
            self._broken.clear()
            for track in [track for track in self._tracks.values() if track.is_broken]:
                if not await self._is_mended(track):
                    self._broken.set()
            if self._broken.is_set():
                await self._clock.sleep(MEND_PAUSE_S)

    async def _is_mended(self, track: Track) -> bool:
        try:
            await self._mend(track)
        except (*AWAY, Unavailable) as error:
            log.debug("live_log.not_mended", run_id=str(track.run_id), error=str(error))
        except Exception:
            log.exception("live_log.mending_died", run_id=str(track.run_id))
        else:
            return True
        track.pending.clear()  # the mend takes them from memory
        return False

    def _touch(self, track: Track) -> None:
        self._dirty.add(track)
        self._filled.set()

    async def send(self) -> None:
        """Write what there is now."""
        tracks = [track for track in self._dirty if not track.is_broken]
        self._dirty.difference_update(tracks)
        now_s = self._clock.monotonic()
        batches = [(track, track.commands(now_s, self._live_log_s)) for track in tracks]
        hints, self._hints = self._hints, []
        commands = [command for _, batch in batches for command in batch] + hints
        if not commands:
            return
        try:
            replies = await self._wire.call(commands)
        except AWAY as error:
            self._lose(error)
            return
        self._find()
        self._settle(batches, replies)

    def _settle(
        self, batches: Sequence[tuple[Track, list[Command]]], replies: list[object]
    ) -> None:
        for track, batch in batches:
            track.settle(replies[: len(batch)])
            del replies[: len(batch)]
            if track.is_broken:
                self._broken.set()
            elif track.is_done:
                self._forget(track)

    def _lose(self, error: Exception) -> None:
        """Redis is away. What it acknowledged may be gone too: mend all that goes on."""
        if not self._pause_s:
            log.warning("live_log.away", error=f"{type(error).__name__}: {error}")
        self._pause_s = min(LAST_PAUSE_S, max(FIRST_PAUSE_S, self._pause_s * 2))
        for track in [*self._tracks.values()]:
            track.is_broken = True
            if track.is_closed:
                self._forget(track)
        self._broken.set()

    def _find(self) -> None:
        if self._pause_s:
            self._pause_s = 0.0
            log.info("live_log.back")

    def _forget(self, track: Track) -> None:
        self._dirty.discard(track)
        if self._tracks.get(track.run_id) is track:
            del self._tracks[track.run_id]

    async def _mend(self, track: Track) -> None:
        """Bring the log to what it should be; where its hole lies before its end it is written anew."""
        has = [event async for event in read(self._client, track.run_id, 0)]
        journaled = await self._runs.journaled(track.run_id)
        merged = _merged(has, journaled, self._logs.shown(track.run_id))
        whole = [event for event in merged if is_told(event)]
        if not whole or whole[-1].id // EPOCH > track.epoch:
            self._forget(track)  # the run went away, or on under somebody else
            return
        track.pending = []
        is_hole_inside = bool(has) and whole[len(has) - 1].id != has[-1].id
        await self._write(
            track, whole if is_hole_inside else whole[len(has) :], anew=is_hole_inside
        )
        self._find()
        track.mended(whole[-1].id)
        self._touch(track)

    async def _write(self, track: Track, events: list[Event], *, anew: bool) -> None:
        key = key_of(track.run_id)
        removal: list[Command] = [("DEL", key)] if anew else []
        commands: list[Command] = [
            ("MULTI",),
            *removal,
            *adding_all(track.run_id, events),
            ("EXPIRE", key, LIFE_S),
            ("EXEC",),
        ]
        if events:
            commands.append(("PUBLISH", channel_of(track.run_id), lines_of(events)))
        for reply in await self._wire.call(commands):
            refusals = reply if isinstance(reply, list) else [reply]
            for refusal in refusals:
                if isinstance(refusal, ResponseError):
                    raise refusal


def _merged(*parts: Sequence[Event]) -> list[Event]:
    by_id = {event.id: event for part in parts for event in part}
    return [by_id[number] for number in sorted(by_id)]
