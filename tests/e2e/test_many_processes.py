"""Several gateways and a worker beside each other: whoever executes a run, all can follow and stop it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest

from tests.e2e.server import Up, eventually, free_port, sse


@pytest.fixture(scope="module")
def second(up: Up) -> Iterator[str]:
    """The address of another gateway on the engines of `up`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "polyagent", "serve", "--port", str(port)],
        env=up.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def is_ready() -> bool:
        assert process.poll() is None
        try:
            return httpx.get(f"{url}/health/ready", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    try:
        eventually("the second gateway is ready", is_ready, 120)
        yield url
    finally:
        process.terminate()
        process.wait(60)


def test_deltas_reach_a_reader_on_another_process_as_they_are_said(
    api: httpx.Client, second: str, model_control: httpx.Client
) -> None:
    with api.stream("POST", "/api/v1/chat/stream", json={"message": "hold far"}) as near:
        model_control.get("/arrived/far")
        address = f"{second}{near.headers['content-location']}/events"
        with httpx.stream("GET", address, headers=api.headers, timeout=60, trust_env=False) as far:
            events = sse(far.iter_lines())
            before = [next(events), next(events)]
            model_control.post("/release/far")
            heard = [*before, *events]
        told = list(sse(near.iter_lines()))

    assert [event["type"] for event in before] == ["run.started", "message.delta"]
    assert heard == told


def test_deltas_of_a_background_run_reach_every_gateway(
    api: httpx.Client, second: str, model_control: httpx.Client
) -> None:
    run = api.post("/api/v1/runs", json={"message": "hold behind"}).json()
    model_control.get("/arrived/behind")
    path = f"/api/v1/runs/{run['id']}/events"
    with (
        api.stream("GET", path) as one,
        httpx.stream(
            "GET", f"{second}{path}", headers=api.headers, timeout=60, trust_env=False
        ) as other,
    ):
        firsts = [sse(one.iter_lines()), sse(other.iter_lines())]
        held = [[next(events) for _ in range(3)] for events in firsts]
        model_control.post("/release/behind")
        heard = [held[n] + list(events) for n, events in enumerate(firsts)]

    assert [event["type"] for event in held[0]] == ["run.queued", "run.started", "message.delta"]
    assert heard[0] == heard[1]


def test_a_run_is_cancelled_from_another_process(
    api: httpx.Client, second: str, model_control: httpx.Client
) -> None:
    with api.stream("POST", "/api/v1/chat/stream", json={"message": "hold stopped"}) as near:
        model_control.get("/arrived/stopped")
        address = f"{second}{near.headers['content-location']}/cancel"
        answer = httpx.post(address, headers=api.headers, timeout=60, trust_env=False)
        again = httpx.post(address, headers=api.headers, timeout=60, trust_env=False)
        events = list(sse(near.iter_lines()))

    assert [answer.status_code, again.status_code] == [202, 202]
    assert events[-1]["type"] == "run.cancelled"
    assert [e["message"]["incomplete"] for e in events if e["type"] == "message.completed"] == [
        True
    ]


def test_a_worker_of_its_own_tells_its_metrics(up: Up) -> None:
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [sys.executable, "-m", "polyagent", "worker"],
        env=up.environ | {"POLYAGENT_TELEMETRY__WORKER_METRICS": address},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    told: list[str] = []

    def is_told() -> bool:
        assert process.poll() is None
        with suppress(httpx.TransportError):
            told.append(httpx.get(f"http://{address}/metrics", trust_env=False).text)
        return bool(told) and 'polyagent_in_use{what="runs"}' in told[-1]

    try:
        eventually("the worker tells its metrics", is_told, 120)
    finally:
        process.terminate()
        process.wait(60)

    assert process.returncode == 0
    assert "process_resident_memory_bytes" in told[-1]
