"""The program of docs/from-outside.md, killed in the middle of its step and started again."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.server import Up

PAGE = (Path(__file__).parents[2] / "docs/from-outside.md").read_text()
LIMIT_S = 120


@pytest.fixture(scope="module")
def up(model_service: str) -> Iterator[Up]:
    with Up(model_service) as server:
        yield server


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (found,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "report.py").write_text(found)
    return tmp_path / "report.py"


class Workflows:
    """Workflows of a program that keeps them in a file beside it."""

    def __init__(self, up: Up, program: Path) -> None:
        self._words = [sys.executable, str(program)]
        self.token = up.token()
        self._environ = up.environ | {
            "POLYAGENT_URL": up.url,
            "TOKEN": self.token,
            "DBOS_SYSTEM_DATABASE_URL": f"sqlite:///{program.parent}/dbos.sqlite",
        }
        self._up = up

    def start(self, workflow: str, message: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*self._words, workflow, message],
            env=self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def runs(self) -> list[Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        return list(self._up.http.get("/api/v1/runs", headers=headers).json()["items"])


def test_a_step_that_is_killed_and_tried_again_gets_the_same_run(
    up: Up, program: Path, model_control: httpx.Client
) -> None:
    workflows = Workflows(up, program)
    with workflows.start("one", "hold outside") as first:
        model_control.get("/arrived/outside")
        first.send_signal(signal.SIGKILL)
        first.communicate(timeout=LIMIT_S)
    (begun,) = workflows.runs()

    with workflows.start("one", "hold outside") as second:
        model_control.post("/release/outside")
        out, err = second.communicate(timeout=LIMIT_S)

    (ended,) = workflows.runs()
    assert second.returncode == 0, err
    assert out.split() == ["holding", "released"]
    assert (ended["id"], ended["status"]) == (begun["id"], "completed")
    assert begun["status"] == "running"


def test_a_workflow_that_is_started_again_has_its_answer(up: Up, program: Path) -> None:
    workflows = Workflows(up, program)
    before = len(workflows.runs())

    outs = []
    for workflow in ("two", "two", "three"):
        with workflows.start(workflow, "say done") as process:
            out, err = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0, err
        outs.append(out.strip())

    assert outs == ["done"] * 3
    assert len(workflows.runs()) == before + 2
