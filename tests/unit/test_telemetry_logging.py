"""Logs."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from polyagent.adapters.telemetry.logging import configure_logging
from polyagent.adapters.telemetry.redaction import redacted
from polyagent.domain.ids import new_id
from polyagent.settings import Log

JSON = Log(format="json")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Full(io.StringIO):
    """A disk without space."""

    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_object() -> None:
    stream = io.StringIO()
    configure_logging(JSON, stream)
    identifier = new_id()
    structlog.contextvars.bind_contextvars(request_id="abc")

    structlog.get_logger("polyagent.http").info("run.ended", run_id=identifier, steps=3)

    [line] = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "run.ended",
        "level": "info",
        "logger": "polyagent.http",
        "request_id": "abc",
        "run_id": str(identifier),
        "steps": 3,
    }


def test_libraries_that_use_logging_come_out_alike() -> None:
    stream = io.StringIO()
    configure_logging(JSON, stream)

    logging.getLogger("some.library").warning("token=%s was refused", "abcdef")

    [line] = lines(stream)
    assert (line["event"], line["level"]) == ("token=[redacted] was refused", "warning")
    assert (line["logger"], set(line)) == (
        "some.library",
        {"event", "level", "logger", "timestamp"},
    )


@pytest.mark.parametrize("level", ["warn", "warning"])
def test_what_is_below_the_level_is_left_out(level: Any) -> None:
    stream = io.StringIO()
    configure_logging(Log(format="json", level=level), stream)

    structlog.get_logger().info("left out")
    logging.getLogger("library").info("left out")
    structlog.get_logger().warning("kept")

    assert [line["event"] for line in lines(stream)] == ["kept"]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_line_break_in_a_value_begins_no_line(log_format: Any) -> None:
    stream = io.StringIO()
    configure_logging(Log(format=log_format), stream)

    structlog.get_logger().info("hello\r\nforged", path="/x\nforged\x1b[31m\u2028")

    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b[31m" not in stream.getvalue()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_an_exception_comes_with_its_stack_and_without_its_secrets(log_format: Any) -> None:
    stream = io.StringIO()
    configure_logging(Log(format=log_format), stream)

    try:
        int("postgresql://ann:hunter22@db/x")
    except ValueError:
        structlog.get_logger().exception("died")

    text = stream.getvalue()
    assert "Traceback (most recent call last)" in text
    assert "postgresql://ann:[redacted]@db/x" in text
    assert "hunter22" not in text


def test_auto_is_for_people_on_a_terminal_and_json_elsewhere() -> None:
    terminal, file = Terminal(), io.StringIO()

    for stream in (terminal, file):
        configure_logging(Log(format="auto"), stream)
        structlog.get_logger().info("hello")

    assert "\x1b[" in terminal.getvalue()
    assert lines(file)[0]["event"] == "hello"


def test_a_log_that_cannot_be_written_harms_nobody() -> None:
    configure_logging(JSON, Full())

    structlog.get_logger().error("lost")


SECRET_NAMES = (
    *("Authorization", "access_token", "password", "new_password", "JWT_SECRET", "api_key"),
    *("apikey", "ticket", "Cookie", "set-cookie", "credentials", "private_key"),
)
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_values_of_names_that_say_secret_are_left_out(name: str) -> None:
    assert redacted({name: "x", "deep": [{name: ["x"]}]}) == {
        name: "[redacted]",
        "deep": [{name: "[redacted]"}],
    }


def test_counts_of_tokens_are_no_secrets() -> None:
    counts = {"input_tokens": 3, "tokens": 1.5, "token_seen": True, "ticket": None}

    assert redacted(counts) == counts


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"got {TOKEN}!", "got [redacted]!"),
        ("Bearer abcdefghijklmnop0123", "Bearer [redacted]"),
        ("Authorization: Basic YWxhZGRpbjpvcGVuc2VzYW1l", "Authorization: Basic [redacted]"),
        ("key pa_0123abc_secretsecret", "key [redacted]"),
        ("sk-proj-0123456789abcdefghij", "[redacted]"),
        ("redis://:pw@host/0", "redis://:[redacted]@host/0"),
        (
            "unix:///run/x.sock?db=0&password=pw&a=b",
            "unix:///run/x.sock?db=0&password=[redacted]&a=b",
        ),
        ("/ws?ticket=abc HTTP", "/ws?ticket=[redacted] HTTP"),
        ("{'password': 'pw', 'a': 1}", "{'password': '[redacted]', 'a': 1}"),
        ('{"access_token": "abc"}', '{"access_token": "[redacted]"}'),
        ("a bearer of news", "a bearer of news"),
        ("http://127.0.0.1:8080/a@b", "http://127.0.0.1:8080/a@b"),
        ("basic questions, max_tokens=5", "basic questions, max_tokens=5"),
    ],
)
def test_text_that_looks_like_a_secret_is_left_out(text: str, told: str) -> None:
    assert redacted(text) == told


@pytest.mark.parametrize("piece", ["eyJ", "-eyJ", "a_", "pa_a", "://a:", "bearer ", "token", "sk-"])
def test_long_text_is_looked_through_in_one_pass(piece: str) -> None:
    assert redacted(piece * 50_000)


def test_other_objects_are_told_as_text() -> None:
    assert redacted(ValueError("password=pw")) == "password=[redacted]"
    assert redacted(("a", b"b")) == ["a", "b'b'"]


def test_what_people_search_for_is_not_logged() -> None:
    stream = io.StringIO()
    configure_logging(Log(level="debug", format="json"), stream)

    logging.getLogger("httpx").info("HTTP Request: GET %s", "http://search/?q=secret")

    assert stream.getvalue() == ""


@pytest.mark.parametrize("bodies", [True, False])
def test_what_others_said_is_logged_where_the_operator_wants_it(bodies: bool) -> None:
    stream = io.StringIO()
    configure_logging(Log(format="json", bodies=bodies), stream)

    structlog.get_logger().warning("a call failed", said="I do not like 'my prompt'", code="x")

    [line] = lines(stream)
    assert ("my prompt" in line["said"]) == bodies
    assert line["code"] == "x"


def test_the_message_of_an_exception_begins_no_line_of_the_log() -> None:
    stream = io.StringIO()
    configure_logging(Log(format="console"), stream)

    try:
        int("7\n2026-01-01 [info] forged")
    except ValueError as error:
        structlog.get_logger().error("died", exc_info=RuntimeError(f"{error}\nforged"))

    assert not any(
        line.startswith(("forged", "2026-01-01 [")) for line in stream.getvalue().splitlines()
    )
