"""`polyagent chat` in a terminal."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.chat_server import (
    CANCEL,
    CHAT,
    SESSION,
    ScriptedServer,
    cancels,
    completed,
    delta,
    done,
    event,
    scripted_server,
    stays_open,
    streams,
)
from tests.unit.terminal import Terminal


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as made:
        yield made


def test_an_interrupt_cancels_the_run(server: ScriptedServer, tmp_path: Path) -> None:
    server.on(CHAT, stays_open(delta(1, "Once upon")))
    server.on(CANCEL, cancels)
    with Terminal(server.url, tmp_path, "Tell me a story") as terminal:
        terminal.see("Once upon")
        terminal.interrupt()
        terminal.see("Interrupted.")
        code = terminal.ended()

    assert code == 1
    assert len(server.of(CANCEL)) == 1


def test_a_talk_stays_in_its_session_and_outlives_a_failure(
    server: ScriptedServer, tmp_path: Path
) -> None:
    failed = event(1, "run.failed", code="limit_reached", detail="Too long.")
    server.on(
        CHAT,
        streams(delta(1, "Hello"), completed(2, "Hello"), done(3)),
        streams(failed),
        streams(completed(1, "Bye"), done(2)),
    )
    with Terminal(server.url, tmp_path) as terminal:
        for typed, answered in (("Hi", "Hello"), ("More", "Too long."), ("End", "Bye")):
            terminal.see("> ")
            terminal.type(f"{typed}\n")
            terminal.see(answered)
        terminal.see("> ")
        terminal.type("\x04")
        code = terminal.ended()

    assert code == 0
    assert [body for _, body in server.of(CHAT)] == [
        {"message": "Hi"},
        {"message": "More", "session_id": SESSION},
        {"message": "End", "session_id": SESSION},
    ]
    history = tmp_path / "chat_history"
    assert history.read_text().split() == ["Hi", "More", "End"]
    assert history.stat().st_mode & 0o777 == 0o600
