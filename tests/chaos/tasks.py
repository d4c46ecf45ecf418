"""A drill of tasks: `python -m tests.chaos.tasks [--seed N] [--short]`. 1 if a promise was broken.

As POLYAGENT_APP=tests.chaos.tasks:app, a process has a kind of tasks that write the ledger.
"""

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec

from polyagent.app import App, TaskContext
from tests.chaos.drill import model_service
from tests.chaos.faults import Saboteur
from tests.chaos.ledger import PATH, Ledger, LedgerArguments, Line
from tests.chaos.plan import LONG, SHORT, Size, faults
from tests.chaos.records import History
from tests.e2e.fleet import ROOT, Fleet

APP = "tests.chaos.tasks:app"
CLIENTS = 6
PAUSE_S = 0.05
AGAIN_S = 0.2
CALL_MS = (50, 600)
QUIET_S = 180.0
FAULTS = {SHORT: 12, LONG: 90}

LIVE = "SELECT count(*) FROM tasks WHERE status IN ('queued', 'parked', 'running')"
ENDED = """
SELECT t.id::text, t.payload->>'label' AS label, t.status, t.result::text AS result, t.attempt,
    (SELECT count(*) FROM task_attempts a WHERE a.task_id = t.id AND a.error IS NULL)
        + (t.status = 'succeeded')::int AS successes
FROM tasks t WHERE t.kind = 'step'
"""

app = App()


@app.task(max_attempts=20)
async def step(label: str, ms: int, context: TaskContext) -> str:
    ledger, given = Ledger(Path(os.environ[PATH])), LedgerArguments(label=label, ms=ms)
    ledger._write("begun", "write", given, context)
    await asyncio.sleep(ms / 1000)
    ledger._write("ended", "write", given, context)
    return label


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """`acknowledged` are labels by the ids that answers named."""

    history: History
    acknowledged: dict[str, str]
    rows: Sequence[dict[str, Any]]
    ledger: Sequence[Line]
    seconds: float

    @property
    def lost(self) -> list[str]:
        """The acknowledged tasks that did not succeed with their own result."""
        rows = {row["id"]: row for row in self.rows}
        return [
            task_id
            for task_id, label in self.acknowledged.items()
            if task_id not in rows or rows[task_id]["result"] != f'"{label}"'
        ]

    @property
    def finished_twice(self) -> list[str]:
        return [row["id"] for row in self.rows if row["successes"] > 1]

    @property
    def figures(self) -> dict[str, object]:
        begun = Counter(line.key for line in self.ledger if line.mark == "begun")
        ended = Counter(line.key for line in self.ledger if line.mark == "ended")
        kinds = Counter(fault.kind for fault in self.history.faults)
        cut = sum(len(fault.calls) for fault in self.history.faults if fault.kind == "kill")
        return {
            "tasks acknowledged": len(self.acknowledged),
            "lost": len(self.lost),
            "finished twice": len(self.finished_twice),
            "attempts": sum(row["attempt"] for row in self.rows),
            "begun more than once": sum(times > 1 for times in begun.values()),
            "ran to their end more than once": sum(times > 1 for times in ended.values()),
            "cut off by kills": cut,
            **{f"faults: {kind}": count for kind, count in sorted(kinds.items())},
            "seconds": round(self.seconds),
        }


def drill(seed: int, size: Size) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="polyagent-chaos-") as directory:
        file = Path(directory) / "ledger"
        environ = {
            "POLYAGENT_APP": APP,
            PATH: str(file),
            "PYTHONPATH": str(ROOT),
            "POLYAGENT_QUEUE__RETRY_S": "0.2",
        }
        with (
            model_service() as url,
            Fleet(url, gateways=2, workers=2, environ=environ) as fleet,
        ):
            return asyncio.run(_Drill(seed, size, fleet, Ledger(file)).run(fleet.up.token()))


class _Drill:
    def __init__(self, seed: int, size: Size, fleet: Fleet, ledger: Ledger) -> None:
        self._seed = seed
        self._faults = islice(faults(seed, size), FAULTS[size])
        self._fleet = fleet
        self._ledger = ledger
        self._history = History()
        self._saboteur = Saboteur(fleet, ledger, self._history)
        self._acknowledged: dict[str, str] = {}

    async def run(self, token: str) -> Outcome:
        began = time.monotonic()
        await self._saboteur.back_to_normal()
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(headers=headers, timeout=10, trust_env=False) as http:
            over = asyncio.Event()
            asking = [asyncio.create_task(self._asks(http, n, over)) for n in range(CLIENTS)]
            try:
                await self._saboteur.do(self._faults)
                await self._saboteur.back_to_normal()
            finally:
                over.set()
                await asyncio.gather(*asking)
        rows = await self._at_rest()
        return Outcome(
            history=self._history,
            acknowledged=self._acknowledged,
            rows=rows,
            ledger=self._ledger.read(),
            seconds=time.monotonic() - began,
        )

    async def _asks(self, http: httpx.AsyncClient, client: int, over: asyncio.Event) -> None:
        dice = random.Random(f"{self._seed} client {client}")
        for label in self._labels(client):
            payload = {"label": label, "ms": dice.randint(*CALL_MS)}
            body = {"kind": "step", "payload": payload, "priority": dice.randrange(10)}
            if not await self._acknowledge(http, label, body, dice, over):
                return
            await asyncio.sleep(PAUSE_S)

    def _labels(self, client: int) -> Iterator[str]:
        n = 0
        while True:
            yield f"{client}.{n}"
            n += 1

    async def _acknowledge(
        self,
        http: httpx.AsyncClient,
        label: str,
        body: dict[str, Any],
        dice: random.Random,
        over: asyncio.Event,
    ) -> bool:
        """Ask under one key, anywhere, until it is acknowledged; False: it is over."""
        while not over.is_set():
            url = dice.choice([*self._fleet.gateways.values()])
            try:
                answer = await http.post(
                    f"{url}/api/v1/tasks", json=body, headers={"Idempotency-Key": label}
                )
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.is_success:
                self._acknowledged[answer.json()["id"]] = label
                return True
            if answer is not None and answer.status_code not in (409, 429, 503):
                raise AssertionError(answer.text)
            await asyncio.sleep(AGAIN_S)
        return False

    async def _at_rest(self) -> Sequence[dict[str, Any]]:
        connection = await asyncpg.connect(self._fleet.database_url)
        try:
            await connection.execute("SET search_path TO polyagent")
            async with asyncio.timeout(QUIET_S):
                while await connection.fetchval(LIVE):
                    await asyncio.sleep(AGAIN_S)
            return [dict(row) for row in await connection.fetch(ENDED)]
        finally:
            await connection.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.tasks", description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--short", action="store_true")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # its processes must end, too
    seed = random.randrange(2**31) if asked.seed is None else asked.seed
    sys.stdout.write(f"tasks, seed {seed}\n")
    outcome = drill(seed, SHORT if asked.short else LONG)
    for name, value in outcome.figures.items():
        sys.stdout.write(f"{name:<34}{value}\n")
    for task_id in (*outcome.lost, *outcome.finished_twice):
        sys.stdout.write(f"BROKEN: {task_id}\n")
    return 1 if outcome.lost or outcome.finished_twice else 0


if __name__ == "__main__":
    raise SystemExit(main())
