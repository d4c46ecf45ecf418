"""`polyagent chat` in a terminal."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
    says,
    scripted_server,
    stays_open,
    streams,
)
from tests.unit.terminal import ALT_ENTER, CTRL_C, CTRL_D, ENTER, Terminal

SESSIONS = "GET /api/v1/chat/sessions"
OTHER = "0199a0a0-0000-7000-8000-000000000003"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as made:
        yield made


def answers(server: ScriptedServer, *texts: str) -> None:
    server.on(CHAT, *(streams(delta(1, text), completed(2, text), done(3)) for text in texts))


def asked(server: ScriptedServer) -> list[Any]:
    return [body for _, body in server.of(CHAT)]


def session(session_id: str, title: str, day: int) -> dict[str, Any]:
    at = f"2026-01-{day:02}T10:00:00Z"
    return {"id": session_id, "title": title, "message_count": 2, "updated_at": at}


def test_an_interrupt_cancels_the_run(server: ScriptedServer, tmp_path: Path) -> None:
    server.on(CHAT, stays_open(delta(1, "Once upon")))
    server.on(CANCEL, cancels)
    with Terminal(server.url, tmp_path, "Tell me a story") as terminal:
        terminal.see("Once upon")
        terminal.type(CTRL_C)
        terminal.see("Interrupted.")
        code = terminal.ended()

    assert code == 1
    assert len(server.of(CANCEL)) == 1


def test_a_talk_stays_in_its_session_and_outlives_a_failure(
    server: ScriptedServer, tmp_path: Path
) -> None:
    failed = event(1, "run.failed", code="limit_reached", detail="Too long.")
    answers(server, "Hello")
    server.on(CHAT, streams(failed))
    answers(server, "Bye")
    with Terminal(server.url, tmp_path) as terminal:
        for typed, answered in (("Hi", "Hello"), ("More", "Too long."), ("End", "Bye")):
            terminal.asks(typed)
            terminal.see(answered)
        terminal.see("> ")
        terminal.type(CTRL_D)
        code = terminal.ended()

    assert code == 0
    assert asked(server) == [
        {"message": "Hi"},
        {"message": "More", "session_id": SESSION},
        {"message": "End", "session_id": SESSION},
    ]
    history = tmp_path / "chat_history"
    assert history.read_text().split() == ["Hi", "More", "End"]
    assert history.stat().st_mode & 0o777 == 0o600


def test_an_interrupted_answer_does_not_end_the_talk(
    server: ScriptedServer, tmp_path: Path
) -> None:
    server.on(CHAT, stays_open(delta(1, "Once upon")))
    server.on(CANCEL, cancels)
    answers(server, "Yes?")
    with Terminal(server.url, tmp_path) as terminal:
        terminal.asks("Tell me a story")
        terminal.see("Once upon")
        terminal.type(CTRL_C)
        terminal.see("Interrupted.")
        terminal.asks("Hello?")
        terminal.see("Yes?")

    assert asked(server)[1] == {"message": "Hello?", "session_id": SESSION}


def test_one_interrupt_drops_the_line_and_a_second_ends_the_talk(
    server: ScriptedServer, tmp_path: Path
) -> None:
    with Terminal(server.url, tmp_path) as terminal:
        terminal.see("> ")
        terminal.type("half a li")
        terminal.see("half a li")
        terminal.interrupt()
        terminal.see("> ")
        terminal.interrupt()
        code = terminal.ended()

    assert (code, asked(server)) == (0, [])


def test_a_text_of_several_lines_is_one_ask(server: ScriptedServer, tmp_path: Path) -> None:
    answers(server, "First", "Second", "Third")
    with Terminal(server.url, tmp_path, term="xterm") as terminal:
        terminal.asks("\x1b[200~one\ntwo\x1b[201~")  # as terminals paste
        terminal.see("First")
        terminal.asks(f"three{ALT_ENTER}four")
        terminal.see("Second")
        terminal.see("> ")
        terminal.type(f"five\\{ENTER}")
        terminal.see("... ")
        terminal.type(f"six{ENTER}")
        terminal.see("Third")

    messages = [body["message"] for body in asked(server)]
    assert messages == ["one\ntwo", "three\nfour", "five\nsix"]


def test_what_was_typed_comes_back_in_the_next_talk(server: ScriptedServer, tmp_path: Path) -> None:
    answers(server, "First", "Second")
    for answered, keys in (("First", f"a\\n{ALT_ENTER}b"), ("Second", "\x1b[A")):  # then: arrow up
        with Terminal(server.url, tmp_path, term="xterm") as terminal:
            terminal.asks(keys)
            terminal.see(answered)

    assert [body["message"] for body in asked(server)] == ["a\\n\nb", "a\\n\nb"]


def test_orders_choose_who_answers_and_where(server: ScriptedServer, tmp_path: Path) -> None:
    answers(server, "One", "Two", "Three")
    old, new = session(OTHER, "Old talk", 1), session(SESSION, "New talk", 2)
    server.on(SESSIONS, says(200, {"items": [old, new], "next_cursor": None}))
    server.on(f"{SESSIONS}/{OTHER}", says(200, old))
    messages = [{"role": "user", "content": "What?"}, {"role": "assistant", "content": "That."}]
    page = {"items": messages, "next_cursor": None}
    server.on(f"{SESSIONS}/{OTHER}/messages", says(200, page))
    models = {"data": [{"id": "small"}, {"id": "big"}, {"id": "agent/Poet"}]}
    server.on("GET /v1/models", says(200, models))
    with Terminal(server.url, tmp_path) as terminal:
        terminal.asks("Hi")
        terminal.see("One")
        terminal.asks("/sessions")
        terminal.see("*  1  New talk (2 messages")
        terminal.asks("/open 2")
        terminal.see("Going on with Old talk")
        terminal.asks("/history")
        terminal.see("> What?")
        terminal.see("That.")
        terminal.asks("/model")
        assert "Poet" not in terminal.see("big")
        terminal.asks("/model big")
        terminal.asks("/agent code")
        terminal.asks("Go on")
        terminal.see("Two")
        terminal.asks("/new")
        terminal.asks("/model -")
        terminal.asks("//new is asked")
        terminal.see("Three")
        terminal.asks("/quit")
        assert terminal.ended() == 0

    assert asked(server) == [
        {"message": "Hi"},
        {"message": "Go on", "session_id": OTHER, "model": "big", "agent_type": "code"},
        {"message": "/new is asked", "agent_type": "code"},
    ]


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("/help", "/sessions"),
        ("/nonsense", "There is no /nonsense"),
        ("/open", "/open needs"),
        ("/open 7", "There is no session 7"),
        ("/image", "/image needs"),
        ("/image /none.png", "cannot be read"),
        ("/history", "Nothing was said yet"),
    ],
)
def test_an_order_that_asks_nothing(
    server: ScriptedServer, tmp_path: Path, order: str, said: str
) -> None:
    with Terminal(server.url, tmp_path) as terminal:
        terminal.asks(order)
        terminal.see(said)
        terminal.see("> ")

    assert asked(server) == []


def test_what_looks_like_a_path_is_asked(server: ScriptedServer, tmp_path: Path) -> None:
    answers(server, "A file.")
    with Terminal(server.url, tmp_path) as terminal:
        terminal.asks("/etc/hosts is what?")
        terminal.see("A file.")

    assert asked(server) == [{"message": "/etc/hosts is what?"}]


def test_a_server_that_restarts_between_two_asks_is_waited_for(
    server: ScriptedServer, tmp_path: Path
) -> None:
    answers(server, "One")
    stopping = {"code": "stopping", "detail": "The server is stopping."}
    server.on(CHAT, says(503, stopping, "application/problem+json"))
    answers(server, "Two")
    with Terminal(server.url, tmp_path) as terminal:
        terminal.asks("Hi")
        terminal.see("One")
        terminal.asks("Again")
        terminal.see("waiting for it")
        terminal.see("Two")


def test_a_model_service_that_is_away_is_not_waited_for(
    server: ScriptedServer, tmp_path: Path
) -> None:
    answers(server, "One")
    missing = {"code": "model_service_missing", "detail": "Set PYTHON_AI_URL."}
    server.on(CHAT, says(503, missing, "application/problem+json"))
    with Terminal(server.url, tmp_path) as terminal:
        terminal.asks("Hi")
        terminal.see("One")
        terminal.asks("Again")
        terminal.see("Set PYTHON_AI_URL.")
        terminal.see("> ")


def test_markdown_is_drawn_on_a_terminal(server: ScriptedServer, tmp_path: Path) -> None:
    parts = ["# Ti", "tle\n\nIt is **bo", "ld**.\n\n1. one\n2. two\n\nEnd"]
    text = "".join(parts)
    frames = [delta(number, part) for number, part in enumerate(parts, 1)]
    server.on(CHAT, streams(*frames, completed(8, text), done(9)))
    with Terminal(server.url, tmp_path, "Hi", term="xterm") as terminal:
        shown = terminal.see("End")
        assert terminal.ended() == 0

    assert "Title" in shown
    assert "bold**" not in shown
    assert "\x1b[1mbold" in shown


def test_markdown_stays_as_it_is_where_it_is_asked_to(
    server: ScriptedServer, tmp_path: Path
) -> None:
    answers(server, "It is **bold**.")
    with Terminal(server.url, tmp_path, "Hi", "--plain", term="xterm") as terminal:
        terminal.see("It is **bold**.")


def test_events_for_a_script_are_no_talk(server: ScriptedServer, tmp_path: Path) -> None:
    with Terminal(server.url, tmp_path, "--json") as terminal:
        terminal.see("--json needs a TEXT")
        assert terminal.ended() == 2


def test_going_on_tells_with_what(server: ScriptedServer, tmp_path: Path) -> None:
    answers(server, "One")
    found = session(OTHER, "Old talk", 1)
    server.on(SESSIONS, says(200, {"items": [found], "next_cursor": None}))
    server.on(f"{SESSIONS}/{OTHER}", says(200, found))
    with Terminal(server.url, tmp_path, "--continue") as terminal:
        terminal.see("Going on with Old talk (2 messages, 2026-01-01 10:00 UTC)")
        terminal.asks("Hi")
        terminal.see("One")

    assert asked(server) == [{"message": "Hi", "session_id": OTHER}]
