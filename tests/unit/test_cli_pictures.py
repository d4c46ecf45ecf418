"""Pictures of `polyagent chat` in a terminal: each goes with one message."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.chat_server import (
    CHAT,
    LIMIT_S,
    Handler,
    ScriptedServer,
    completed,
    done,
    event,
    says,
    scripted_server,
    streams,
)
from tests.unit.terminal import CTRL_C, Terminal

PROBLEM = "application/problem+json"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as made:
        yield made


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    file = tmp_path / "dot.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n...")
    return file


def asked(server: ScriptedServer) -> list[Any]:
    return [body["message"] for _, body in server.of(CHAT)]


def with_picture(text: str) -> list[dict[str, Any]]:
    image = {"type": "image", "media_type": "image/png", "data": "iVBORw0KGgouLi4="}
    return [{"type": "text", "text": text}, image]


def test_one_that_is_refused_goes_with_no_other_message(
    server: ScriptedServer, tmp_path: Path, picture: Path
) -> None:
    blind = {"code": "modality_unsupported", "detail": "The model takes no images."}
    server.on(CHAT, says(422, blind, PROBLEM), streams(completed(1, "Hello"), done(2)))
    with Terminal(server.url, tmp_path, "--image", str(picture)) as terminal:
        terminal.asks("What is it?")
        terminal.see("dropped: dot.png")
        terminal.see("The model takes no images.")
        terminal.asks("Hi")
        terminal.see("Hello")

    assert asked(server) == [with_picture("What is it?"), "Hi"]


def test_one_of_an_ask_that_was_interrupted_goes_with_no_other_message(
    server: ScriptedServer, tmp_path: Path, picture: Path
) -> None:
    came, ended = threading.Event(), threading.Event()

    def hangs(_: Handler) -> None:
        came.set()
        ended.wait(LIMIT_S)

    server.on(CHAT, hangs, streams(completed(1, "Hello"), done(2)))
    with Terminal(server.url, tmp_path, "--image", str(picture)) as terminal:
        terminal.asks("What is it?")
        assert came.wait(LIMIT_S)
        terminal.type(CTRL_C)
        terminal.see("Interrupted.")
        ended.set()
        terminal.asks("Hi")
        terminal.see("Hello")

    assert asked(server) == [with_picture("What is it?"), "Hi"]


def test_one_waits_for_a_model_service_that_is_away(
    server: ScriptedServer, tmp_path: Path, picture: Path
) -> None:
    missing = {"code": "model_service_missing", "detail": "Set PYTHON_AI_URL."}
    answers = (streams(completed(1, text), done(2)) for text in ("A dot.", "Hello"))
    server.on(CHAT, says(503, missing, PROBLEM), *answers)
    with Terminal(server.url, tmp_path, "--image", str(picture)) as terminal:
        terminal.asks("What is it?")
        terminal.see("Set PYTHON_AI_URL.")
        terminal.asks("And now?")
        terminal.see("A dot.")
        terminal.asks("Hi")
        terminal.see("Hello")

    assert asked(server) == [with_picture("What is it?"), with_picture("And now?"), "Hi"]


def test_one_that_was_taken_goes_along_once_though_its_run_failed(
    server: ScriptedServer, tmp_path: Path, picture: Path
) -> None:
    server.on(CHAT, streams(event(1, "run.failed", code="limit_reached", detail="Too long.")))
    server.on(CHAT, streams(completed(1, "Hello"), done(2)))
    with Terminal(server.url, tmp_path, "--image", str(picture)) as terminal:
        terminal.asks("What is it?")
        assert "dropped" not in terminal.see("Too long.")
        terminal.asks("Hi")
        terminal.see("Hello")

    assert asked(server) == [with_picture("What is it?"), "Hi"]
