"""An operator's own tools, named on the command line, in every process of a server."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.server import Up, eventually, free_port

ROOT = Path(__file__).parents[2]
APP = "tests.e2e.own_tools:app"
BROKEN = """
from polyagent.app import App

app = App()


@app.tool
def calculator(number: int) -> int:
    "Computes."
    return number
"""


@pytest.fixture(scope="module")
def extended(model_service: str) -> Iterator[Up]:
    words = ("--app", APP, "--workers", "2")
    with Up(model_service, words=words, environ={"PYTHONPATH": str(ROOT)}) as server:
        yield server


@pytest.fixture
def place() -> Iterator[Path]:
    """A data directory that the engines' account can reach."""
    path = Path(tempfile.mkdtemp(prefix="polyagent-test-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def api(extended: Up) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {extended.token()}", "Connection": "close"}
    with httpx.Client(
        base_url=extended.url, headers=headers, timeout=60, trust_env=False
    ) as client:
        yield client


def test_it_is_listed_as_a_function_of_the_operators(api: httpx.Client) -> None:
    tool = api.get("/api/v1/tools/whoami").json()

    assert (tool["source"], tool["effect"], tool["available"]) == ("function", "read", True)
    assert tool["description"] == "Tells the process that this tool runs in."


def test_every_gateway_process_has_it(api: httpx.Client) -> None:
    seen: set[int] = set()

    def both() -> bool:
        ask = {"name": "whoami", "arguments": {}}
        seen.add(api.post("/api/v1/tools/execute", json=ask).json()["result"])
        return len(seen) == 2

    eventually("both gateway processes called it", both)


def test_runs_have_it_wherever_they_execute(extended: Up, api: httpx.Client) -> None:
    agent = api.post("/api/v1/agents", json={"name": "witness", "tools": ["whoami"]}).json()
    (worker,) = [
        pid for pid, words in extended.family().items() if words.endswith("polyagent worker ")
    ]

    def by_the_worker() -> bool:
        ask = {"message": "call whoami {}", "agent_id": agent["id"]}
        run = api.post("/api/v1/runs", json={**ask, "background": True}).json()
        events = api.get(f"/api/v1/runs/{run['id']}/events?wait=30").text
        (called,) = re.findall(r'"type":"tool.completed".*?"result":(\d+)', events)
        return int(called) == worker

    eventually("the worker called it", by_the_worker, 120)


def test_a_built_in_agent_may_use_it_when_it_is_named(api: httpx.Client) -> None:
    ask = {"message": "call whoami {}", "agent_type": "general", "tools": ["whoami"]}

    answer = api.post("/api/v1/chat", json=ask).json()

    assert answer["status"] == "completed"
    assert re.search(r'The tools say: {"result":\d+}', answer["message"]["content"])


@pytest.mark.parametrize("command", ["up", "serve", "worker", "tools"])
def test_what_is_wrong_with_it_is_one_line(command: str, tmp_path: Path, place: Path) -> None:
    (tmp_path / "broken_shop.py").write_text(BROKEN)
    listen = ("--port", str(free_port())) if command in ("up", "serve") else ()
    engines = {"DATABASE_URL": "postgres://u:p@127.0.0.1:9/x", "REDIS_URL": "redis://127.0.0.1:9"}
    environ = {name: value for name, value in os.environ.items() if name not in engines}
    environ |= {} if command == "up" else {**engines, "JWT_SECRET": "s" * 32}

    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("polyagent")),
            *(command, *listen, "--app", "broken_shop:app", "--data-dir", str(place)),
        ],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    said = [line for line in done.stderr.splitlines() if line.startswith("polyagent:")]
    assert done.returncode == 3, done.stderr
    assert said == ["polyagent: There are two tools named calculator: give your own another name."]
