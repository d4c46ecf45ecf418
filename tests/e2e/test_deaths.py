"""What is left when processes die: nothing behind, and nothing lost."""

import os
import signal
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.server import Up, eventually, sse


@pytest.fixture
def own(model_service: str) -> Iterator[Up]:
    with Up(model_service) as server:
        yield server


def authorised(up: Up) -> dict[str, str]:
    return {"Authorization": f"Bearer {up.token()}"}


def pid_of(up: Up, *words: str) -> int:
    found = [pid for pid, line in up.family().items() if all(word in line for word in words)]
    assert found, f"no process says {words}: {up.family()}"
    return min(found)


def streamed_until_death(up: Up, ask: dict[str, str], headers: dict[str, str]) -> tuple[str, int]:
    """Read the first delta, kill the gateway, and return the run's address and the delta's id."""
    with up.http.stream("POST", "/api/v1/chat/stream", json=ask, headers=headers) as response:
        events = sse(response.iter_lines())
        last = next(event["id"] for event in events if event["type"] == "message.delta")
        os.kill(pid_of(up, "polyagent serve"), signal.SIGKILL)
        with pytest.raises(httpx.RemoteProtocolError):
            list(events)
        return response.headers["content-location"], last


def test_a_run_survives_the_death_of_everything(own: Up, model_control: httpx.Client) -> None:
    headers = authorised(own)
    run = own.http.post("/api/v1/runs", json={"message": "hold everything"}, headers=headers).json()
    model_control.get("/arrived/everything")

    own.kill_all()
    eventually("nothing is left behind", lambda: not own.family())
    model_control.post("/release/everything")
    own.start()
    with own.http.stream("GET", f"/api/v1/runs/{run['id']}/events", headers=headers) as response:
        events = list(sse(response.iter_lines()))

    assert events[-1]["type"] == "run.completed"
    assert [event["type"] for event in events].count("run.resumed") == 1
    assert [event["id"] for event in events] == sorted({event["id"] for event in events})


def test_a_run_of_a_killed_gateway_is_taken_over(own: Up, model_control: httpx.Client) -> None:
    headers = authorised(own)
    location, last = streamed_until_death(own, {"message": "hold gateway"}, headers)
    model_control.post("/release/gateway")

    def rest() -> list[str]:
        try:
            headers_now = headers | {"Last-Event-ID": str(last)}
            with own.http.stream("GET", f"{location}/events", headers=headers_now) as response:
                return [event["type"] for event in sse(response.iter_lines())]
        except httpx.TransportError:
            return []

    told = eventually("the run completes elsewhere", rest)

    assert told[0] == "run.resumed"
    assert told[-1] == "run.completed"


def test_a_dead_worker_is_started_again(own: Up) -> None:
    before = pid_of(own, "polyagent worker")

    os.kill(before, signal.SIGKILL)

    eventually(
        "another worker",
        lambda: [p for p, words in own.family().items() if "worker" in words and p != before],
    )


def test_sigterm_stops_everything_in_order_and_the_next_start_knows_it_all(own: Up) -> None:
    headers = authorised(own)
    session = own.http.post("/api/v1/chat", json={"message": "say hi"}, headers=headers).json()

    assert own.stop() == 0
    eventually("nothing is left behind", lambda: not own.family())
    own.start()
    path = f"/api/v1/chat/sessions/{session['session_id']}/messages"
    messages = own.http.get(path, headers=headers).json()["items"]

    assert [message["role"] for message in messages] == ["user", "assistant"]


def test_a_second_up_refuses_and_says_who_is_there(own: Up) -> None:
    assert own.process is not None

    done = own.run("up")

    assert done.returncode == 3
    assert str(own.data_dir) in done.stderr
    assert str(own.process.pid) in done.stderr


def test_down_stops_it(own: Up) -> None:
    assert own.process is not None

    done = own.run("down")

    assert done.returncode == 0, done.stderr
    assert own.process.wait(60) == 0
