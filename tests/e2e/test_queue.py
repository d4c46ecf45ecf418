"""Queued runs between real processes: none is lost or overtaken, whatever becomes of Redis."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.e2e.server import Up, eventually

TIMES = 20


@pytest.fixture
def own(model_service: str) -> Iterator[Up]:
    with Up(model_service) as server:
        yield server


@pytest.fixture
def client(own: Up) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {own.token()}"}
    with httpx.Client(base_url=own.url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


def queued(client: httpx.Client, message: str, **ask: Any) -> Any:
    answer = client.post("/api/v1/runs", json={"message": message, **ask})
    assert answer.status_code == 202, answer.text
    return answer.json()


def until_completed(client: httpx.Client, runs: list[Any]) -> None:
    def statuses() -> set[str]:
        return {client.get(f"/api/v1/runs/{run['id']}").json()["status"] for run in runs}

    eventually("all have ended", lambda: statuses() <= {"completed", "failed", "cancelled"})
    assert statuses() == {"completed"}


def kill_valkey(own: Up) -> None:
    os.kill(int((own.data_dir / "valkey/valkey.pid").read_text()), signal.SIGKILL)


def test_runs_of_a_session_keep_their_order_when_redis_is_killed(
    own: Up, client: httpx.Client, model_control: httpx.Client
) -> None:
    first = queued(client, "hold queue")
    session_id = first["session_id"]
    model_control.get("/arrived/queue")
    with ThreadPoolExecutor(8) as pool:
        runs = list(
            pool.map(
                lambda n: queued(client, f"say {n}", session_id=session_id, priority=n % 10),
                range(TIMES),
            )
        )

    kill_valkey(own)
    others = [queued(client, "say other") for _ in range(5)]
    model_control.post("/release/queue")
    until_completed(client, [first, *runs, *others])

    path = f"/api/v1/chat/sessions/{session_id}/messages?limit=100&order=asc"
    messages = client.get(path).json()["items"]
    in_order = sorted(runs, key=lambda run: run["position"])
    assert [run["position"] for run in in_order] == list(range(1, TIMES + 1))
    asked = [message["run_id"] for message in messages if message["role"] == "user"]
    assert asked == [first["id"], *(run["id"] for run in in_order)]
    assert [message["role"] for message in messages] == ["user", "assistant"] * (TIMES + 1)
