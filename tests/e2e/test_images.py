"""Images by URL on a real server, which stores and serves them, and goes nowhere that it may not."""

import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.e2e.server import Up
from tests.images import PNG, png_of

LARGE = png_of(4_000_000)
TURNS = 4


class _Pictures(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = LARGE if self.path == "/large.png" else PNG
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002  its name there


@pytest.fixture(scope="module")
def pictures() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Pictures) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        serving.join()


@pytest.fixture(scope="module")
def asker(model_service: str) -> Iterator[httpx.Client]:
    allowed = {"POLYAGENT_TOOLS__ALLOW_PRIVATE": "127.0.0.1"}
    with Up(model_service, environ=allowed) as up:
        headers = {"Authorization": f"Bearer {up.token()}"}
        with httpx.Client(base_url=up.url, headers=headers, timeout=60, trust_env=False) as client:
            yield client


def _look(client: httpx.Client, text: str, *urls: str, **ask: str) -> httpx.Response:
    images = [{"type": "image", "url": url} for url in urls]
    message = [{"type": "text", "text": text}, *images]
    return client.post("/api/v1/chat", json={"message": message, **ask})


def test_an_image_by_url_is_kept_as_data(asker: httpx.Client, pictures: str) -> None:
    answer = _look(asker, "say hello", f"{pictures}/a.png").json()

    path = f"/api/v1/chat/sessions/{answer['session_id']}/messages"
    asked = asker.get(path).json()["items"][0]
    assert answer["status"] == "completed", answer
    assert asked["parts"][1]["data"] == b64encode(PNG).decode()


def test_a_session_goes_on_beyond_what_its_images_may_fill(
    asker: httpx.Client, pictures: str
) -> None:
    ask = {"session_id": _look(asker, "say the first").json()["session_id"]}

    answers = [_look(asker, "say more", f"{pictures}/large.png", **ask) for _ in range(TURNS)]
    answers.append(_look(asker, "say the last", **ask))

    assert [answer.json()["status"] for answer in answers] == ["completed"] * (TURNS + 1)


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest/", "http://localhost/", "http://[::1]/", "file:///etc"]
)
def test_other_addresses_are_refused(asker: httpx.Client, url: str) -> None:
    answer = _look(asker, "say hello", url)

    assert (answer.status_code, answer.json()["code"]) == (422, "address_refused")
