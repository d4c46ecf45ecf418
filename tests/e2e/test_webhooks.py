"""Deliveries between real processes: at least once, under one id, whoever is killed."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook as Verifier

from tests.e2e.server import Up, eventually
from tests.e2e.test_deaths import pid_of

ENVIRON = {
    "POLYAGENT_TOOLS__ALLOW_PRIVATE": "127.0.0.1",
    "POLYAGENT_WEBHOOKS__RETRY_DELAYS_S": "0.2",
}


class Receiver(ThreadingHTTPServer):
    """Answers each request with the next status, the last one for ever; `None` waits for `released`."""

    daemon_threads = True

    def __init__(self, *statuses: int | None) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.statuses = [*statuses]
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]

    def next(self) -> int:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status is None:
            self.released.wait()
        return status or 200


class Answering(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:  # the framework's name
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
        status = self.server.next()
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def receiving(*statuses: int | None) -> Iterator[Receiver]:
    receiver = Receiver(*statuses)
    thread = threading.Thread(target=receiver.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        receiver.shutdown()
        thread.join()
        receiver.server_close()


@pytest.fixture
def own(model_service: str) -> Iterator[Up]:
    with Up(model_service, environ=ENVIRON) as server:
        yield server


@pytest.fixture
def client(own: Up) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {own.token()}"}
    with httpx.Client(base_url=own.url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


def hook(client: httpx.Client, receiver: Receiver) -> Any:
    body = {"url": receiver.url, "events": ["run.completed"]}
    return client.post("/api/v1/webhooks", json=body).raise_for_status().json()


def deliveries(client: httpx.Client, webhook: Any) -> list[Any]:
    answer = client.get(f"/api/v1/webhooks/{webhook['id']}/deliveries").raise_for_status()
    return list(answer.json()["items"])


def test_a_delivery_whose_worker_is_killed_is_made_again_under_its_id(
    own: Up, client: httpx.Client
) -> None:
    with receiving(None, 200) as receiver:
        webhook = hook(client, receiver)
        run = client.post("/api/v1/chat", json={"message": "say hi"}).raise_for_status().json()
        eventually("it is on its way", lambda: receiver.got)

        os.kill(pid_of(own, "polyagent worker"), signal.SIGKILL)

        eventually("it is made again", lambda: len(receiver.got) > 1)
        (delivery,) = eventually(
            "it has arrived",
            lambda: [d for d in deliveries(client, webhook) if d["status"] == "succeeded"],
        )
        bodies = [
            Verifier(webhook["secret"]).verify(body, headers) for headers, body in receiver.got
        ]
        assert {*receiver.ids} == {delivery["message_id"]}
        assert bodies[0] == bodies[1]
        assert (bodies[0]["type"], bodies[0]["data"]["run_id"]) == ("run.completed", run["run_id"])
        codes = [(a["error"] or {}).get("code") for a in delivery["attempts"]]
        assert codes == ["worker_lost", None]


def test_what_was_not_delivered_survives_the_death_of_all(own: Up, client: httpx.Client) -> None:
    with receiving(503, 503, 200) as receiver:
        webhook = hook(client, receiver)
        client.post("/api/v1/chat", json={"message": "say hi"}).raise_for_status()
        own.kill_all()
        own.start()

        eventually("it is sent", lambda: len(receiver.got) >= 3)

        (delivery,) = eventually(
            "it has arrived",
            lambda: [d for d in deliveries(client, webhook) if d["status"] == "succeeded"],
        )
        assert {*receiver.ids} == {delivery["message_id"]}
        assert json.loads(receiver.got[-1][1])["type"] == "run.completed"
