"""`polyagent chat` against a scripted server on a real socket."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from polyagent.adapters.cli.main import cli
from tests.unit.chat_server import (
    CHAT,
    EVENTS,
    RUN,
    SESSION,
    Answer,
    ScriptedServer,
    completed,
    delta,
    done,
    event,
    hangs_up,
    says,
    scripted_server,
    streams,
)
from tests.unit.fake_product import FakeProduct


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as made:
        yield made


class Chat:
    def __init__(self, server: ScriptedServer, data_dir: Path) -> None:
        self.url = server.url
        self.data_dir = data_dir
        self.product = FakeProduct()

    def __call__(self, *words: str, typed: str | None = None, own: bool = False) -> Result:
        env = {"POLYAGENT_DATA_DIR": str(self.data_dir), "POLYAGENT_CONFIG": ""}
        options = [] if own else ["--url", self.url, "--token", "t"]
        return CliRunner().invoke(
            cli, ["chat", *options, *words], obj=lambda: self.product, input=typed, env=env
        )


@pytest.fixture
def chat(server: ScriptedServer, tmp_path: Path) -> Chat:
    return Chat(server, tmp_path)


def test_an_answer_is_printed(server: ScriptedServer, chat: Chat) -> None:
    server.on(CHAT, streams(delta(1, "Hel"), delta(2, "lo"), completed(3, "Hello"), done(4)))

    result = chat("Hi")

    ((headers, body),) = server.of(CHAT)
    assert (result.exit_code, result.stdout) == (0, "Hello\n")
    assert body == {"message": "Hi"}
    assert headers["authorization"] == "Bearer t"


def test_what_is_piped_in_is_asked(server: ScriptedServer, chat: Chat) -> None:
    server.on(CHAT, streams(completed(1, "ok"), done(2)))

    chat(typed="one\ntwo\n")

    assert server.of(CHAT)[0][1] == {"message": "one\ntwo\n"}


def test_what_is_piped_in_comes_behind_the_text(server: ScriptedServer, chat: Chat) -> None:
    server.on(CHAT, streams(completed(1, "ok"), done(2)))

    chat("Sum up:", typed="one\ntwo\n")

    assert server.of(CHAT)[0][1] == {"message": "Sum up:\n\none\ntwo\n"}


def test_a_pipe_that_nobody_writes_to_holds_nothing_up(
    server: ScriptedServer, tmp_path: Path
) -> None:
    server.on(CHAT, streams(completed(1, "ok"), done(2)))
    ours, theirs = os.pipe()
    command = [sys.executable, "-m", "polyagent", "chat", "--url", server.url, "--token", "t", "Hi"]
    env = {**os.environ, "POLYAGENT_DATA_DIR": str(tmp_path)}

    ended = subprocess.run(
        command, env=env, stdin=ours, capture_output=True, timeout=60, check=True
    )

    os.close(ours)
    os.close(theirs)
    assert ended.stdout == b"ok\n"
    assert b"nothing came in" in ended.stderr


def test_a_script_gets_each_event_on_a_line(server: ScriptedServer, chat: Chat) -> None:
    child = {"path": [SESSION], "text": "x"}
    failed = {"code": "limit_reached", "detail": "20 steps."}
    server.on(CHAT, streams(event(1, "message.delta", **child), event(2, "run.failed", **failed)))

    result = chat("Hi", "--json")

    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(one["id"], one["type"]) for one in told] == [(1, "message.delta"), (2, "run.failed")]
    assert (result.exit_code, result.stderr) == (1, "polyagent: 20 steps. (limit_reached)\n")


def test_continue_takes_the_session_that_was_used_last(server: ScriptedServer, chat: Chat) -> None:
    used = [(RUN, "2026-01-01T00:00:00Z"), (SESSION, "2026-01-02T00:00:00Z")]
    items = [{"id": name, "updated_at": at} for name, at in used]
    server.on("GET /api/v1/chat/sessions", says(200, {"items": items, "next_cursor": None}))
    server.on(CHAT, streams(completed(1, "ok"), done(2)))

    chat("Hi", "-c")

    assert server.of(CHAT)[0][1] == {"message": "Hi", "session_id": SESSION}


def test_continue_needs_a_session(server: ScriptedServer, chat: Chat) -> None:
    server.on("GET /api/v1/chat/sessions", says(200, {"items": [], "next_cursor": None}))

    assert chat("Hi", "-c").exit_code == 1
    assert chat("Hi", "-c", "--session", SESSION).exit_code == 2


def test_a_model_and_pictures_go_along(server: ScriptedServer, chat: Chat, tmp_path: Path) -> None:
    picture = tmp_path / "dot.bin"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n...")
    server.on(CHAT, streams(completed(1, "ok"), done(2)))

    chat("What is it?", "--model", "big", "--image", str(picture))

    image = {"type": "image", "media_type": "image/png", "data": "iVBORw0KGgouLi4="}
    assert server.of(CHAT)[0][1] == {
        "model": "big",
        "message": [{"type": "text", "text": "What is it?"}, image],
    }


def test_what_is_no_picture_is_said_and_not_sent(
    server: ScriptedServer, chat: Chat, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_text("no picture")

    result = chat("What is it?", "--image", str(tmp_path / "a.png"))

    assert result.exit_code == 1
    assert "is no picture" in result.stderr
    assert server.asked == []


def test_nothing_piped_in_is_wrong_usage(chat: Chat) -> None:
    assert chat(typed="").exit_code == 2


@pytest.mark.parametrize(
    ("agent", "sent"),
    [
        ("code", {"agent_type": "code"}),
        (RUN, {"agent_id": RUN}),
        ("Code Assistant", {"agent_id": SESSION}),
    ],
)
def test_an_agent_is_named_by_type_id_or_name(
    server: ScriptedServer, chat: Chat, agent: str, sent: dict[str, str]
) -> None:
    server.on(
        "GET /api/v1/agents",
        says(200, {"items": [{"id": RUN, "name": "other"}], "next_cursor": "c"}),
        says(200, {"items": [{"id": SESSION, "name": "Code Assistant"}], "next_cursor": None}),
    )
    server.on(CHAT, streams(completed(1, "ok"), done(2)))

    chat("Hi", "--agent", agent, "--session", SESSION)

    assert server.of(CHAT)[0][1] == {"message": "Hi", "session_id": SESSION, **sent}


def test_an_agent_that_is_none_is_said(server: ScriptedServer, chat: Chat) -> None:
    server.on("GET /api/v1/agents", says(200, {"items": [], "next_cursor": None}))

    result = chat("Hi", "--agent", "nobody")

    assert (result.exit_code, result.stderr) == (
        1,
        "polyagent: There is no agent named nobody.\n",
    )


def test_a_broken_stream_is_taken_up_where_it_was(server: ScriptedServer, chat: Chat) -> None:
    server.on(CHAT, streams(completed(1, "One"), delta(2, "Tw")))
    server.on(
        EVENTS,
        hangs_up,
        says(503, {"detail": "starting"}, "application/problem+json"),
        streams(event(20, "run.resumed", reason="takeover", discard_step=2), completed(21, "Two")),
        streams(completed(21, "Two"), completed(22, "Three"), done(23)),
    )

    result = chat("Hi")

    assert (result.exit_code, result.stdout) == (0, "One\nTwo\nThree\n")
    seen = [headers["last-event-id"] for headers, _ in server.of(EVENTS)]
    assert seen == ["2", "2", "2", "21"]


def test_an_ask_whose_answer_was_lost_is_asked_again_under_the_same_key(
    server: ScriptedServer, chat: Chat
) -> None:
    server.on(CHAT, hangs_up, streams(completed(1, "Hello"), done(2)))

    result = chat("Hi")

    first, second = (headers["idempotency-key"] for headers, _ in server.of(CHAT))
    assert (result.exit_code, result.stdout) == (0, "Hello\n")
    assert first == second


def test_the_end_of_a_child_run_is_not_the_end(server: ScriptedServer, chat: Chat) -> None:
    child: dict[str, Any] = {"path": [SESSION], "message_id": None, "usage": {}}
    server.on(CHAT, streams(event(1, "run.completed", **child)))
    server.on(EVENTS, streams(completed(2, "Hello"), done(3)))

    assert chat("Hi").stdout == "Hello\n"


def test_a_run_that_has_nothing_left_to_tell_is_over(server: ScriptedServer, chat: Chat) -> None:
    server.on(CHAT, streams(completed(1, "Hello")))
    server.on(EVENTS, says(204, b""))

    assert chat("Hi").exit_code == 0


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (
            says(422, {"detail": "There is no tool x."}, "application/problem+json"),
            1,
            "There is no tool x.",
        ),
        (
            says(503, {"detail": "Set PYTHON_AI_URL."}, "application/problem+json"),
            3,
            "Set PYTHON_AI_URL.",
        ),
        (says(500, b"<html>", "text/html"), 1, "The server answered 500 Internal Server Error."),
        (says(200, b"<html>", "text/html"), 1, "What answers at {url} is no PolyAgent server."),
        (
            streams(event(1, "run.failed", code="limit_reached", detail="20 steps.")),
            1,
            "20 steps. (limit_reached)",
        ),
    ],
)
def test_what_goes_wrong_is_one_line(
    server: ScriptedServer, chat: Chat, answer: Answer, code: int, said: str
) -> None:
    server.on(CHAT, answer)

    result = chat("Hi")

    assert result.exit_code == code
    assert result.stderr == f"polyagent: {said.format(url=server.url)}\n"


def test_no_server_is_3_and_says_how_to_start_one(server: ScriptedServer, chat: Chat) -> None:
    chat.url = "http://127.0.0.1:1"

    result = chat("Hi")

    assert result.exit_code == 3
    assert "No server answers at http://127.0.0.1:1; start one: polyagent up" in result.stderr


def test_the_own_server_is_asked_with_a_token_that_is_renewed_when_it_ran_out(
    server: ScriptedServer, chat: Chat
) -> None:
    chat.product.url = server.url
    made = ["admin", "create-user", "admin", "--email", "a@example.com", "--generate"]
    CliRunner().invoke(cli, made, obj=lambda: chat.product)
    expired = says(401, {"detail": "expired"}, "application/problem+json")
    server.on(CHAT, expired, streams(completed(1, "Hello"), done(2)))

    result = chat("Hi", own=True)

    first, second = (headers["authorization"] for headers, _ in server.of(CHAT))
    assert (result.exit_code, result.stdout) == (0, "Hello\n")
    assert first != second


def test_a_token_that_is_refused_twice_is_a_failure(server: ScriptedServer, chat: Chat) -> None:
    refused = says(401, {"detail": "This token ran out."}, "application/problem+json")
    server.on(CHAT, refused, refused)

    result = chat("Hi")

    assert (result.exit_code, result.stderr) == (1, "polyagent: This token ran out.\n")
