import ssl
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from polyagent.adapters.web.guarded import GuardedClient
from polyagent.domain.network import Allowance
from tests.web.server import WebServer

Clients = Callable[..., GuardedClient]


class Names:
    """A name server: each look-up of a name takes its next answer, the last one for ever."""

    def __init__(self) -> None:
        self.known: dict[str, list[Sequence[str]]] = {"server.test": [["127.0.0.1"]]}
        self.asked: list[str] = []

    async def __call__(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        answers = self.known.get(name)
        if answers is None:
            raise OSError(name)
        return answers.pop(0) if len(answers) > 1 else answers[0]


@pytest.fixture
async def server() -> AsyncIterator[WebServer]:
    async with WebServer().open() as server:
        yield server


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def clients(names: Names) -> Clients:
    """Make a client that may reach `server.test`, which is 127.0.0.1, and what else is allowed."""
    trust = ssl.create_default_context()

    def client(*allowed: str, proxy: str | None = None) -> GuardedClient:
        return GuardedClient(Allowance.of(("server.test", *allowed)), names, trust, proxy)

    return client
