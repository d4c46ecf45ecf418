"""A scripted server on a real socket, for tests of `polyagent chat`."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

RUN = "0199a0a0-0000-7000-8000-000000000001"
SESSION = "0199a0a0-0000-7000-8000-000000000002"
LIMIT_S = 60

Answer = Callable[["Handler"], None]


def event(seq: int, kind: str, **fields: Any) -> bytes:
    body = {"id": seq, "run_id": RUN, "session_id": SESSION, "path": [], "type": kind, **fields}
    return f"id: {seq}\nevent: {kind}\ndata: {json.dumps(body)}\n\n".encode()


def delta(seq: int, text: str) -> bytes:
    return event(seq, "message.delta", step=1, part=0, text=text)


def completed(seq: int, text: str, **fields: Any) -> bytes:
    return event(seq, "message.completed", step=1, message={"content": text, **fields})


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

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, *_: Any) -> None: ...

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        sent = self.rfile.read(length)
        is_json = "json" in self.headers.get("Content-Type", "")
        body = json.loads(sent) if is_json else sent or None
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


def says(status: int, body: Any, kind: str = "application/json", **headers: str) -> Answer:
    def answer(handler: Handler) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def hangs_up(handler: Handler) -> None:
    handler.close_connection = True


CHAT = "POST /api/v1/chat/stream"
EVENTS = f"GET /api/v1/runs/{RUN}/events"
CANCEL = f"POST /api/v1/runs/{RUN}/cancel"


def stays_open(*frames: bytes) -> Answer:
    """Stream and then say nothing until the run is cancelled."""

    def answer(handler: Handler) -> None:
        streams(*frames)(handler)
        handler.server.cancelled.wait(LIMIT_S)

    return answer


def cancels(handler: Handler) -> None:
    says(202, {})(handler)
    handler.server.cancelled.set()


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        made.shutdown()
        thread.join()
