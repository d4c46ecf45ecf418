"""Tasks between real processes: whoever is killed, each is done, and recorded once."""

import os
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.fleet import ROOT, Fleet
from tests.e2e.server import eventually

TIMES = 1000
WORKERS = ("worker-1", "worker-2")
LIMIT_S = 180
QUICK = {
    "POLYAGENT_APP": "tests.e2e.own_tasks:app",
    "PYTHONPATH": str(ROOT),
    "POLYAGENT_LIMITS__USER_REQUESTS": "1000000",
    "POLYAGENT_LIMITS__ADDRESS_REQUESTS": "1000000",
    "POLYAGENT_QUEUE__RETRY_S": "0.1",
    "POLYAGENT_QUEUE__DRAIN_S": "5",
}


class Works:
    """A fleet of one gateway and two workers, and the witness of what they do."""

    def __init__(self, fleet: Fleet, client: httpx.Client, witness: Path) -> None:
        self.fleet = fleet
        self.client = client
        self._witness = witness
        self.enqueued = 0

    def enqueue(self, kind: str, numbers: Sequence[int], **more: Any) -> dict[int, str]:
        """Return the ids by their numbers."""

        def one(n: int) -> str:
            body = {"kind": kind, "payload": {"n": n, **more}}
            answer = self.client.post("/api/v1/tasks", json=body)
            assert answer.status_code == 202, answer.text
            return str(answer.json()["id"])

        self.enqueued += len(numbers)
        with ThreadPoolExecutor(8) as pool:
            return dict(zip(numbers, pool.map(one, numbers), strict=True))

    def witnessed(self) -> Counter[int]:
        text = self._witness.read_text() if self._witness.exists() else ""
        return Counter(map(int, text.split()))

    def seen_of(self, tasks: dict[int, str]) -> Counter[int]:
        return Counter({n: times for n, times in self.witnessed().items() if n in tasks})

    def task(self, task_id: str) -> Any:
        return self.client.get(f"/api/v1/tasks/{task_id}").json()

    def until_ended(self) -> None:
        def ended() -> bool:
            stats = self.client.get("/api/v1/stats/tasks").json()["items"]
            live = sum(each["count"] for each in stats if each["status"] not in FINAL)
            return not live and int(sum(each["count"] for each in stats)) >= self.enqueued

        eventually("all tasks have ended", ended, LIMIT_S)

    def require_done(self, tasks: dict[int, str]) -> Counter[int]:
        """Hold each to be done and recorded once; return how often each was lost with a worker."""
        lost: Counter[int] = Counter()
        seen = self.witnessed()
        for n, task_id in tasks.items():
            task = self.task(task_id)
            errors = [attempt["error"] for attempt in task["attempts"]]
            assert (task["status"], task["result"]) == ("succeeded", n), task
            assert errors.count(None) == 1, task
            lost[n] = len(errors) - 1
            assert 1 <= seen[n] <= len(errors), task
        return lost


FINAL = ("succeeded", "dead", "cancelled")


@pytest.fixture(scope="module")
def works(model_service: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Works]:
    """Whoever ends a worker starts it again."""
    witness = tmp_path_factory.mktemp("tasks") / "witness"
    environ = {**QUICK, "POLYAGENT_TEST_WITNESS": str(witness)}
    with Fleet(model_service, gateways=1, workers=2, environ=environ) as fleet:
        headers = {"Authorization": f"Bearer {fleet.up.token()}"}
        (url,) = fleet.gateways.values()
        with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
            eventually("the gateway is ready", lambda: _is_ready(client))
            yield Works(fleet, client, witness)


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def test_a_thousand_tasks_outlive_workers_that_are_killed(works: Works) -> None:
    tasks = works.enqueue("step", range(TIMES))
    eventually("some are done", lambda: len(works.witnessed()) > TIMES // 10)
    for name in WORKERS:
        works.fleet.members[name].kill()
        works.fleet.members[name].start()
    works.until_ended()

    lost = works.require_done(tasks)
    assert set(lost) == set(range(TIMES))


def test_a_flushed_and_a_killed_redis_lose_no_task(works: Works) -> None:
    tasks = works.enqueue("step", range(2000, 2300), wait_s=0.05)
    eventually("some are done", lambda: len(works.seen_of(tasks)) > 30)
    os.kill(works.fleet.pid_of("valkey"), signal.SIGKILL)
    tasks |= works.enqueue("step", range(2300, 2400))
    works.until_ended()

    lost = works.require_done(tasks)
    assert not lost.total()
    assert set(works.seen_of(tasks).values()) == {1}


def test_a_worker_that_is_asked_to_end_hands_on_what_it_has(works: Works) -> None:
    tasks = works.enqueue("step", range(3000, 3200), wait_s=0.2)
    eventually("some are done", lambda: len(works.seen_of(tasks)) > 20)
    for name in WORKERS:
        works.fleet.members[name].terminate()
        assert works.fleet.members[name].ended() == 0
        works.fleet.members[name].start()
    works.until_ended()

    assert not works.require_done(tasks).total()
    assert set(works.seen_of(tasks).values()) == {1}


def test_a_task_that_ends_its_process_is_given_up(works: Works) -> None:
    for name in WORKERS:  # the worker of the `up` is started again by itself
        works.fleet.members[name].terminate()
        works.fleet.members[name].ended()
    tasks = works.enqueue("leaves", [4001]) | works.enqueue("deaf", [4002])
    works.until_ended()
    after = works.enqueue("step", range(4010, 4020))
    works.until_ended()

    poisoned, deaf = works.task(tasks[4001]), works.task(tasks[4002])
    assert (poisoned["status"], poisoned["error"]["code"]) == ("dead", "task_poisoned")
    assert deaf["status"] == "dead"
    assert works.witnessed()[4001] == 2
    works.require_done(after)
