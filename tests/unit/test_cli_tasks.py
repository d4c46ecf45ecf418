"""`polyagent tasks` against a scripted server on a real socket."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from polyagent.adapters.cli.main import cli
from tests.unit.chat_server import ScriptedServer, says, scripted_server
from tests.unit.fake_product import FakeProduct

TASKS = "/api/v1/tasks"
ID = "01990000-0000-7000-8000-000000000001"
DEAD: dict[str, Any] = {
    "id": ID,
    "kind": "note",
    "status": "dead",
    "attempts": [{}, {}],
    "max_attempts": 2,
    "created_at": "2026-11-25T12:00:00Z",
    "error": {"code": "task_failed"},
}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as made:
        yield made


def asked(server: ScriptedServer, *words: str) -> Result:
    words = ("tasks", *words, "--url", server.url, "--token", "t")
    return CliRunner().invoke(cli, words, obj=FakeProduct, env={"POLYAGENT_CONFIG": ""})


def test_tasks_are_listed_in_columns(server: ScriptedServer) -> None:
    server.on(f"GET {TASKS}", says(200, {"items": [DEAD], "next_cursor": None}))

    done = asked(server, "list", "--status", "dead")

    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[1].split() == [
        *(ID, "note", "dead", "2/2", "2026-11-25T12:00:00Z", "task_failed")
    ]


def test_tasks_are_listed_as_json(server: ScriptedServer) -> None:
    server.on(f"GET {TASKS}", says(200, {"items": [DEAD], "next_cursor": None}))

    assert json.loads(asked(server, "list", "--json").output) == DEAD


def test_a_task_is_shown_whole(server: ScriptedServer) -> None:
    server.on(f"GET {TASKS}/{ID}", says(200, DEAD))

    assert json.loads(asked(server, "show", ID).output) == DEAD


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_a_task_is_changed(server: ScriptedServer, verb: str) -> None:
    server.on(f"POST {TASKS}/{ID}/{verb}", says(200, {**DEAD, "status": "queued"}))

    assert asked(server, verb, ID).output == f"{ID} is queued.\n"
