"""One run of a drill and its two readers, which outlive every gateway."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from random import Random
from typing import Any, Literal
from uuid import UUID

import httpx

from polyagent.adapters.selftest.client import PAUSE_S, Client, events
from polyagent.adapters.selftest.evidence import ReaderLog, RunRecord
from polyagent.adapters.selftest.script import Script
from polyagent.domain.ids import new_id

PROGRESS = ("message.completed", "tool.completed")
FINAL = ("run.completed", "run.failed", "run.cancelled")
LEAVES_AFTER = (3, 15)


class Conversation:
    """`resumed_at` are the instants at which a reader first heard that another process had taken over."""

    def __init__(self, client: Client, script: Script, chance: Random) -> None:
        self.run_id: str | None = None
        self.resumed_at: list[float] = []
        self._stage: Literal["fresh", "caught", "resumed"] = "fresh"
        self._client = client
        self._script = script
        self._key = str(new_id())
        self._background = chance.random() < 0.5
        self._latest = 0
        self._accepted = asyncio.Event()
        self._journal: list[dict[str, Any]] = []
        self._readers = (_Reader(self, chance, leaves=False), _Reader(self, chance, leaves=True))

    async def hold(self) -> None:
        """Ask, and read until the end, twice."""
        asker, watcher = self._readers
        async with asyncio.TaskGroup() as group:
            group.create_task(asker.read())
            await self._accepted.wait()
            if self.run_id is not None:
                group.create_task(watcher.read())
        if self.run_id is not None:
            self._journal = await self._client.journal(self.run_id)

    @property
    def id(self) -> UUID | None:
        return UUID(self.run_id) if self.run_id else None

    def record(self) -> RunRecord:
        return RunRecord(
            run_id=self.run_id,
            journal=self._journal,
            readers=[reader.log for reader in self._readers],
        )

    @property
    def is_fresh(self) -> bool:
        """Say whether the run got on since it was last taken over: three deaths in one step would end it."""
        return self._stage == "fresh"

    def caught(self) -> None:
        """Note that a kill met this run in a tool call."""
        self._stage = "caught"

    def open(self, after: int) -> AbstractAsyncContextManager[httpx.Response]:
        if self.run_id is not None:
            return self._client.follow(self.run_id, after)
        return self._client.ask(self._script.message(), self._key, background=self._background)

    def accepted(self, response: httpx.Response) -> None:
        name = response.headers.get("Content-Location") or response.headers["Location"]
        self.run_id = self.run_id or name.rpartition("/")[2]
        self._accepted.set()

    def refused(self) -> None:
        self._accepted.set()

    def heard(self, event: dict[str, Any]) -> None:
        """Note what is news, whichever reader brings it."""
        if event["id"] <= self._latest:
            return
        self._latest = event["id"]
        if event["type"] == "run.resumed":
            self._stage = "resumed"
            self.resumed_at.append(time.monotonic())
        elif event["type"] in PROGRESS and self._stage == "resumed":
            self._stage = "fresh"


class _Reader:
    """Keeps everything that it gets, and goes on behind the last id on any gateway."""

    def __init__(self, run: Conversation, chance: Random, *, leaves: bool) -> None:
        self.log = ReaderLog()
        self._run = run
        self._chance = chance
        self._leaves = leaves
        self._ended = False

    async def read(self) -> None:
        while not self._ended:
            try:
                async with self._run.open(self._last_id()) as response:
                    await self._take(response)
            except httpx.TransportError:
                pass  # the gateway was killed
            if not self._ended:
                self.log.reconnects += bool(self.log.seen)
                await asyncio.sleep(PAUSE_S)

    def _last_id(self) -> int:
        return self.log.seen[-1][0] if self.log.seen else 0

    async def _take(self, response: httpx.Response) -> None:
        if response.status_code in (429, 503):
            return
        if not response.is_success:
            self.log.refused = f"{response.status_code} {(await response.aread()).decode()}"
            self._ended = True
            self._run.refused()
            return
        if response.status_code == httpx.codes.NO_CONTENT:
            self._ended = True
            return
        self._run.accepted(response)
        if response.headers["Content-Type"].startswith("text/event-stream"):
            await self._listen(response)

    async def _listen(self, response: httpx.Response) -> None:
        patience = self._chance.randint(*LEAVES_AFTER) if self._leaves else None
        async for event in events(response):
            self.log.seen.append((event["id"], event["type"]))
            self._run.heard(event)
            if event["type"] in FINAL:
                self._ended = True
                return
            if patience is not None and (patience := patience - 1) == 0:
                return
