"""Loads a server as a `Job` on stdin says, and prints a `Result`: `python -m bench.load`."""

import asyncio
import sys
from itertools import cycle
from time import perf_counter

import msgspec
import uvloop

from bench.load.client import Client, Exchange
from bench.load.job import Job, Result, Spread

COMPLAINTS = 3
RECONNECT_S = 0.05


class Load:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._loop = asyncio.get_running_loop()
        self._requests = [request.encode() for request in job.requests]
        self._ports = cycle(job.ports)
        self._began_at = perf_counter()
        self._end_at = self._began_at + job.seconds
        self._begun = self._warm = self._errors = self._at_work = 0
        self._first_s: list[float] = []
        self._whole_s: list[float] = []
        self._complaints: list[str] = []
        self._all_done = asyncio.Event()
        self._clients: list[Client] = []

    async def run(self) -> Result:
        pause_s = self._job.warm_s / 2 / self._job.at_once
        for _ in range(self._job.at_once):  # not all in one instant: streams would go in step
            self._at_work += 1
            await self._connect()
            await asyncio.sleep(pause_s)
        async with asyncio.timeout(self._job.seconds + self._job.timeout_s):
            await self._all_done.wait()
        return self._result()

    async def _connect(self) -> None:
        _, client = await self._loop.create_connection(
            lambda: Client(self._job.tokens, self._ended), "127.0.0.1", next(self._ports)
        )
        self._next(client)

    def _next(self, client: Client) -> None:
        if perf_counter() < self._end_at and self._begun < self._job.most:
            client.ask(self._requests[self._begun % len(self._requests)])
            self._begun += 1
            return
        client.abort()
        self._at_work -= 1
        if not self._at_work:
            self._all_done.set()

    def _ended(self, client: Client, exchange: Exchange, problem: str) -> None:
        now = perf_counter()
        if problem:
            self._errors += 1
            self._complaints = [*self._complaints, problem][:COMPLAINTS]
            client.abort()
            self._loop.call_later(RECONNECT_S, self._reconnect)
            return
        self._warm += self._began_at + self._job.warm_s <= now < self._end_at
        self._first_s.append(exchange.first_s or 0.0)
        self._whole_s.append(now - exchange.began_s)
        self._next(client)

    def _reconnect(self) -> None:
        self._connecting = self._loop.create_task(self._connect())

    def _result(self) -> Result:
        window_s = min(perf_counter(), self._end_at) - self._began_at - self._job.warm_s
        return Result(
            answered=len(self._whole_s),
            errors=self._errors,
            complaints=tuple(self._complaints),
            per_s=self._warm / window_s if window_s > 0 else 0.0,
            first=Spread.of(self._first_s),
            whole=Spread.of(self._whole_s),
        )


async def main(job: Job) -> Result:
    return await Load(job).run()


if __name__ == "__main__":
    told = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(main(told))))
