"""`polyagent chat` against a scripted server on a real socket."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
from click.testing import CliRunner, Result

from polyagent.adapters.cli.main import cli
from tests.unit.fake_product import FakeProduct

RUN = "0199a0a0-0000-7000-8000-000000000001"
SESSION = "0199a0a0-0000-7000-8000-000000000002"
LIMIT_S = 30

Answer = Callable[["Handler"], None]


def event(seq: int, kind: str, **fields: Any) -> bytes:
    body = {"id": seq, "run_id": RUN, "session_id": SESSION, "path": [], "type": kind, **fields}
    return f"id: {seq}\nevent: {kind}\ndata: {json.dumps(body)}\n\n".encode()


def delta(seq: int, text: str) -> bytes:
    return event(seq, "message.delta", step=1, part=0, text=text)


def completed(seq: int, text: str) -> bytes:
    return event(seq, "message.completed", step=1, message={"content": text})


def done(seq: int) -> bytes:
    return event(seq, "run.completed", message_id=None, usage={})


class ScriptedServer(ThreadingHTTPServer):
    """Answers the requests of each method and path with the next script; keeps what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.scripts: dict[str, list[Answer]] = {}
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.cancelled = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def on(self, request: str, *answers: Answer) -> None:
        self.scripts.setdefault(request, []).extend(answers)

    def of(self, request: str) -> list[tuple[dict[str, str], Any]]:
        return [(headers, body) for name, headers, body in self.asked if name == request]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are part of the story."""


class Handler(BaseHTTPRequestHandler):
    server: ScriptedServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_: Any) -> None: ...

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else None
        name = f"{self.command} {self.path.partition('?')[0]}"
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.server.asked.append((name, headers, body))
        self.server.scripts[name].pop(0)(self)


def streams(*frames: bytes) -> Answer:
    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream; charset=utf-8")
        handler.send_header("Content-Location", f"/api/v1/runs/{RUN}")
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(b"".join(frames))
        handler.wfile.flush()
        handler.close_connection = True

    return answer


def says(status: int, body: Any, kind: str = "application/json") -> Answer:
    def answer(handler: Handler) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def hangs_up(handler: Handler) -> None:
    handler.close_connection = True


CHAT = "POST /api/v1/chat/stream"
EVENTS = f"GET /api/v1/runs/{RUN}/events"
CANCEL = f"POST /api/v1/runs/{RUN}/cancel"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


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


class Terminal:
    """A chat in a terminal of its own."""

    def __init__(self, url: str, data_dir: Path, *words: str) -> None:
        self._master, slave = pty.openpty()
        env = {**os.environ, "POLYAGENT_DATA_DIR": str(data_dir), "TERM": "dumb"}
        command = [sys.executable, "-m", "polyagent", "chat", "--url", url, "--token", "t", *words]
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=env,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509  # a background shell has it ignored
        )
        os.close(slave)
        self._seen = ""

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def see(self, text: str) -> None:
        """Read until `text` is on the screen; what stands before it is read, too."""
        while text not in self._seen:
            readable, _, _ = select.select([self._master], [], [], LIMIT_S)
            assert readable, f"{text!r} did not come after {self._seen!r}"
            self._seen += os.read(self._master, 4096).decode()
        self._seen = self._seen.partition(text)[2]

    def ended(self) -> int:
        return self.process.wait(LIMIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)


def stays_open(*frames: bytes) -> Answer:
    """Stream and then say nothing until the run is cancelled."""

    def answer(handler: Handler) -> None:
        streams(*frames)(handler)
        handler.server.cancelled.wait(LIMIT_S)

    return answer


def cancels(handler: Handler) -> None:
    says(202, {})(handler)
    handler.server.cancelled.set()


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
