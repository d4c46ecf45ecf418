"""A fleet as tests use it: asks, streams and stories at any gateway."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import httpx

from tests.chaos.ledger import Ledger
from tests.e2e.fleet import Fleet, Member
from tests.e2e.server import eventually, sse

LIMIT_S = 120
ENDS = ("run.completed", "run.failed", "run.cancelled")


class House:
    """A fleet with the token of its administrator; streams are read by threads."""

    def __init__(self, fleet: Fleet, ledger: Ledger, readers: ThreadPoolExecutor) -> None:
        self.fleet = fleet
        self.ledger = ledger
        self.elsewhere = fleet.up.url
        self.readers = readers
        headers = {"Authorization": f"Bearer {fleet.up.token()}"}
        self.http = httpx.Client(headers=headers, timeout=LIMIT_S, trust_env=False)

    def gateway(self, n: int) -> str:
        return self.fleet.gateways[f"gateway-{n}"]

    def member(self, name: str) -> Member:
        return self.fleet.members[name]

    def asks(self, gateway: str, message: str, **more: Any) -> dict[str, Any]:
        ask = {"message": message, **more}
        answer = self.http.post(f"{gateway}/api/v1/runs", json=ask).raise_for_status()
        return dict(answer.json())

    def run(self, run_id: str) -> dict[str, Any]:
        return dict(self.http.get(f"{self.elsewhere}/api/v1/runs/{run_id}").json())

    def story(self, run_id: str, *, after: int = 0) -> list[Any]:
        """Read a run's events to its end."""
        path = f"{self.elsewhere}/api/v1/runs/{run_id}/events?after={after}"
        with self.http.stream("GET", path) as response:
            return Streamed(response).rest()

    @contextmanager
    def streaming(self, gateway: str, message: str, **more: Any) -> Iterator["Streamed"]:
        path = f"{gateway}/api/v1/chat/stream"
        with self.http.stream("POST", path, json={"message": message, **more}) as response:
            yield Streamed(response)

    @contextmanager
    def following(self, run_id: str, *, at: str | None = None) -> Iterator["Streamed"]:
        """Open a stream of a run from its start; what is not read yet waits in the socket."""
        path = f"{at or self.elsewhere}/api/v1/runs/{run_id}/events"
        with self.http.stream("GET", path) as response:
            yield Streamed(response)

    def executions(self, label: str) -> list[str]:
        """Return what the ledger says of a call: `begun` and `ended`, in order."""
        return [line.mark for line in self.ledger.read() if line.label == label]

    def is_ready(self, gateway: str) -> bool:
        with suppress(httpx.TransportError):
            return self.http.get(f"{gateway}/health/ready").status_code == 200
        return False

    def restarts(self, name: str) -> None:
        self.member(name).start()
        if name in self.fleet.gateways:
            eventually("it is ready", lambda: self.is_ready(self.fleet.gateways[name]))


class Streamed:
    """A stream that is being read; `rest` is what it says from now to its end."""

    def __init__(self, response: httpx.Response) -> None:
        assert response.status_code == 200, response.read()
        self.run_id = response.headers["content-location"].rpartition("/")[2]
        self._lines = response.iter_lines()

    def until(self, kind: str) -> dict[str, Any]:
        return next(dict(event) for event in sse(self._lines) if event["type"] == kind)

    def rest(self) -> list[Any]:
        return list(sse(self._lines))

    def last_lines(self) -> list[str]:
        return [line for line in self._lines if line]


def named(what: str) -> str:
    """Return a name that was never used."""
    return f"{what}-{time.monotonic_ns()}"
