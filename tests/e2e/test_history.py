"""Sessions go on, and can be forked, after whatever happened in the middle of two calls."""

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.server import Up, eventually, sse
from tests.e2e.slow_tools import BEGUN

ROOT = Path(__file__).parents[2]
SCRIPT = "calls quick {} ; slow {}"


class UpWithTools(Up):
    @property
    def environ(self) -> dict[str, str]:
        return super().environ | {
            "POLYAGENT_APP": "tests.e2e.slow_tools:providers",
            "PYTHONPATH": str(ROOT),
            BEGUN: str(self.ledger),
        }

    @property
    def ledger(self) -> Path:
        return self.data_dir / "begun"


@pytest.fixture(scope="module")
def own(model_service: str) -> Iterator[UpWithTools]:
    with UpWithTools(model_service) as up:
        yield up


class Caller:
    """Asks again while the server is away."""

    def __init__(self, up: UpWithTools) -> None:
        self.up = up
        up.ledger.touch()
        self._headers = {"Authorization": f"Bearer {up.token()}"}

    def call(self, method: str, path: str, body: Any = None) -> Any:
        def answer() -> httpx.Response | None:
            with contextlib.suppress(httpx.TransportError):
                return self.up.http.request(method, path, json=body, headers=self._headers)
            return None

        found = eventually(f"{method} {path} is answered", answer)
        assert found.status_code < 300, found.text
        return found.json()

    def begins(self, **limits: float) -> Any:
        """Return a run whose second call is under way in the gateway, the first one done."""
        name = f"helper {os.urandom(4).hex()}"
        agent = {"name": name, "tools": ["quick", "slow"], "limits": limits}
        agent_id = self.call("POST", "/api/v1/agents", agent)["id"]
        ask = {"message": SCRIPT, "agent_id": agent_id}
        with self.up.http.stream(
            "POST", "/api/v1/chat/stream", json=ask, headers=self._headers
        ) as response:
            next(e for e in sse(response.iter_lines()) if e["type"] == "tool.completed")
            path = response.headers["content-location"]
        run = self.call("GET", path)
        eventually("the slow tool has begun", lambda: run["id"] in self.up.ledger.read_text())
        return run

    def ends(self, run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return the run's events once it has ended."""
        path = f"/api/v1/runs/{run['id']}"
        final = ("completed", "failed", "cancelled")
        eventually("the run ends", lambda: self.call("GET", path)["status"] in final)
        with self.up.http.stream("GET", f"{path}/events", headers=self._headers) as response:
            return list(sse(response.iter_lines()))

    def goes_on(self, run: Mapping[str, Any]) -> list[str]:
        """Chat in the run's session and in a fork at each of its messages; return its calls' states."""
        session = f"/api/v1/chat/sessions/{run['session_id']}"
        messages = self.call("GET", f"{session}/messages")["items"]
        forks = [
            self.call("POST", f"{session}/fork", {"message_id": message["id"]})["id"]
            for message in messages
        ]
        for session_id in (run["session_id"], *forks):
            ask = {"message": "say on", "session_id": session_id}
            answer = self.call("POST", "/api/v1/chat", ask)
            assert (answer["status"], answer["message"]["content"]) == ("completed", "on ")
        return [call["state"] for message in messages for call in message["tool_calls"]]


@pytest.fixture(scope="module")
def caller(own: UpWithTools) -> Caller:
    return Caller(own)


def test_a_run_that_was_cancelled_in_the_middle_of_two_calls(caller: Caller) -> None:
    run = caller.begins()

    caller.call("POST", f"/api/v1/runs/{run['id']}/cancel")

    assert [e["type"] for e in caller.ends(run)[-2:]] == ["tool.completed", "run.cancelled"]
    assert caller.goes_on(run) == ["done", "cancelled"]


def test_a_run_that_took_too_long(caller: Caller) -> None:
    run = caller.begins(timeout_s=10)

    last = caller.ends(run)[-1]

    assert (last["type"], last["code"]) == ("run.failed", "limit_reached")
    assert caller.goes_on(run) == ["done", "cancelled"]


def test_a_once_call_that_was_caught_by_a_kill(caller: Caller) -> None:
    run = caller.begins()
    gateway = min(pid for pid, words in caller.up.family().items() if "polyagent serve" in words)

    os.kill(gateway, signal.SIGKILL)

    events = caller.ends(run)
    assert [e["state"] for e in events if e["type"] == "tool.completed"] == ["done", "in_doubt"]
    assert events[-1]["type"] == "run.completed"
    assert caller.up.ledger.read_text().count(run["id"]) == 1
    assert caller.goes_on(run) == ["done", "in_doubt"]
