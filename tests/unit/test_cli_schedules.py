"""`polyagent schedules` against a scripted server on a real socket."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from polyagent.adapters.cli.main import cli
from tests.unit.chat_server import ScriptedServer, says, scripted_server
from tests.unit.fake_product import FakeProduct

SCHEDULES = "/api/v1/schedules"
ID = "01990000-0000-7000-8000-000000000001"
NEXT, LAST = "2026-11-26T06:30:00Z", "2026-11-25T06:30:00Z"
DAILY: dict[str, Any] = {
    "id": ID,
    "name": "report",
    "cron": "@daily",
    "timezone": "UTC",
    "task": {"kind": "chat"},
    "enabled": True,
    "next_fire_at": NEXT,
    "last_fire_at": LAST,
}
PAUSED = {**DAILY, "enabled": False, "next_fire_at": None, "last_fire_at": None}
ENDED = {**DAILY, "next_fire_at": None}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as made:
        yield made


def asked(server: ScriptedServer, *words: str) -> Result:
    words = ("schedules", *words, "--url", server.url, "--token", "t")
    return CliRunner().invoke(cli, words, obj=FakeProduct, env={"POLYAGENT_CONFIG": ""})


def test_schedules_are_listed_in_columns(server: ScriptedServer) -> None:
    found = {"items": [DAILY, PAUSED, ENDED], "next_cursor": None}
    server.on(f"GET {SCHEDULES}", says(200, found))

    done = asked(server, "list")

    assert done.exit_code == 0, done.output
    assert [line.split()[5:] for line in done.output.splitlines()[1:]] == [
        [NEXT, LAST],
        ["paused"],
        ["ended", LAST],
    ]


def test_schedules_are_listed_as_json(server: ScriptedServer) -> None:
    server.on(f"GET {SCHEDULES}", says(200, {"items": [DAILY, PAUSED], "next_cursor": None}))

    assert json.loads(asked(server, "list", "--json", "--limit", "1").output) == DAILY


@pytest.mark.parametrize(
    ("verb", "answer", "told"),
    [
        ("pause", PAUSED, f"{ID} is paused."),
        ("resume", DAILY, f"{ID} fires next at {NEXT}."),
        ("resume", ENDED, f"{ID} has ended: it fires no more."),
        ("trigger", {"id": "t", "status": "queued"}, "The task t is queued."),
    ],
)
def test_a_schedule_is_changed(server: ScriptedServer, verb: str, answer: Any, told: str) -> None:
    server.on(f"POST {SCHEDULES}/{ID}/{verb}", says(200, answer))

    assert asked(server, verb, ID).output == f"{told}\n"


def test_a_schedule_that_is_not_there_is_told(server: ScriptedServer) -> None:
    problem = {"code": "not_found", "detail": "There is no such schedule."}
    server.on(f"POST {SCHEDULES}/{ID}/pause", says(404, problem))

    done = asked(server, "pause", ID)

    assert done.exit_code != 0
    assert "There is no such schedule." in done.output
