import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from polyagent.adapters.engines.neighbours import Neighbour, neighbour


@contextmanager
def answering(status: int, body: bytes) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the library's name
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_a_server_that_lists_a_model_is_found() -> None:
    with answering(200, b'{"data": [{"id": "llama3"}]}') as port:
        found = neighbour([("Nobody", 1), ("Ollama", port)])

    assert found == Neighbour("Ollama", f"http://127.0.0.1:{port}/v1", "llama3")


@pytest.mark.parametrize(
    ("status", "body"),
    [(404, b"{}"), (200, b"<html>"), (200, b'{"data": []}'), (200, b"[]"), (200, b'{"data": 1}')],
)
def test_anything_else_on_the_port_is_passed_over(status: int, body: bytes) -> None:
    with answering(status, body) as port:
        assert neighbour([("Ollama", port)]) is None
