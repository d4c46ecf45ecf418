"""A server that one other origin may call, a page on it, and the same page on an origin that it does not know."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.browser.chromium import MISSING, Page, chromium, found
from tests.e2e.server import Up

EXAMPLE = Path(__file__).parents[2] / "examples" / "browser"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """Serve files as an origin of their own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory)))
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


@pytest.fixture(scope="session")
def listed() -> Iterator[str]:
    with served(EXAMPLE) as origin:
        yield origin


@pytest.fixture(scope="session")
def foreign() -> Iterator[str]:
    with served(EXAMPLE) as origin:
        yield origin


@pytest.fixture(scope="session")
def up(model_service: str, listed: str) -> Iterator[Up]:
    with Up(model_service, environ={"POLYAGENT_SERVER__CORS_ORIGINS": listed}) as server:
        yield server


@pytest.fixture(scope="session")
def token(up: Up) -> str:
    return up.token()


@pytest.fixture(scope="session", autouse=True)
def browser() -> str:
    return found() or pytest.fail(MISSING, pytrace=False)


@pytest.fixture
def page(browser: str) -> Iterator[Page]:
    with chromium(browser) as page:
        yield page
