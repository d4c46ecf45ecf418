"""The command line beside a real server."""

import json
import os
import signal
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.server import Up
from tests.unit.terminal import CTRL_C, CTRL_D, Terminal


@pytest.fixture(scope="module")
def own(model_service: str) -> Iterator[Up]:
    """A server that may be broken."""
    with Up(model_service) as server:
        yield server


def test_a_chat_needs_no_token_beside_a_running_up(up: Up) -> None:
    done = up.run("chat", "say one two")

    assert (done.returncode, done.stdout.strip()) == (0, "one two")


def test_events_for_a_script_end_as_the_run_does(up: Up) -> None:
    done = up.run("chat", "--json", "say one")

    kinds = [json.loads(line)["type"] for line in done.stdout.splitlines()]
    assert (kinds[0], kinds[-1], kinds.count("message.completed")) == (
        "run.started",
        "run.completed",
        1,
    )


def test_a_talk_goes_on_where_the_last_one_ended(up: Up) -> None:
    with Terminal(None, up.data_dir) as terminal:
        terminal.asks("say first")
        terminal.see("first")
        terminal.see("> ")
        terminal.type(CTRL_D)
        assert terminal.ended() == 0
    with Terminal(None, up.data_dir, "--continue") as terminal:
        terminal.asks("say second")
        terminal.see("second")
        terminal.asks("/history")
        terminal.see("> say first")
        terminal.see("> say second")


def test_an_interrupt_cancels_the_run_on_the_server(up: Up, api: httpx.Client) -> None:
    with Terminal(None, up.data_dir, "slow 1000 100") as terminal:
        terminal.see("w0")
        terminal.type(CTRL_C)
        terminal.see("Interrupted.")
        assert terminal.ended() == 1

    (last,) = api.get("/api/v1/runs", params={"limit": 1}).json()["items"]
    assert last["status"] == "cancelled"


def test_an_answer_outlives_its_gateway(own: Up, model_control: httpx.Client) -> None:
    with Terminal(None, own.data_dir) as terminal:
        terminal.asks("hold cli")
        terminal.see("holding")
        for pid, words in own.family().items():
            if " serve " in words:
                os.kill(pid, signal.SIGKILL)
        model_control.post("/release/cli")
        terminal.see("goes on (takeover)")
        terminal.see("released")
        terminal.asks("say again")
        terminal.see("again")


def test_the_doctor_finds_a_running_server_well(up: Up) -> None:
    done = up.run("doctor", "--json")

    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"]) == (0, True), done.stdout
    subjects = {finding["subject"] for finding in told["findings"]}
    assert subjects == {
        "machine",
        "data_directory",
        "server",
        "engines",
        "postgres",
        "redis",
        "model_service",
        "documents",
    }
