"""Sockets of a real server, on real engines."""

import json
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.e2e.server import Up

LIMIT_S = 60


def _address(up: Up, path: str) -> str:
    return up.url.replace("http://", "ws://") + path


def _until(talk: ClientConnection, kind: str) -> list[Any]:
    heard: list[Any] = []
    while not heard or heard[-1]["type"] != kind:
        heard.append(json.loads(talk.recv(LIMIT_S)))
    return heard


def test_a_chat_over_a_socket_that_a_ticket_opened(up: Up, api: httpx.Client) -> None:
    ticket = api.post("/api/v1/tickets", json={"for": "/ws"}).json()["ticket"]

    with connect(_address(up, f"/ws?ticket={ticket}"), proxy=None) as talk:
        talk.send('{"type":"chat","id":"x","message":"say a b c"}')
        heard = _until(talk, "run.completed")

    text = "".join(event["text"] for event in heard if event["type"] == "message.delta")
    assert text.split() == ["a", "b", "c"]
    assert heard[0]["reply_to"] == "x"


def test_the_socket_of_a_session_hears_what_others_start(
    up: Up, api: httpx.Client, token: str
) -> None:
    session_id = api.post("/api/v1/chat", json={"message": "say one"}).json()["session_id"]
    protocols = [Subprotocol(name) for name in ("polyagent.v1", f"bearer.{token}")]
    with connect(
        _address(up, f"/ws/chat/{session_id}"), subprotocols=protocols, proxy=None
    ) as talk:
        ask = {"message": "say two", "session_id": session_id}
        run_id = api.post("/api/v1/chat", json=ask).json()["run_id"]
        heard = _until(talk, "run.completed")

    assert {event["run_id"] for event in heard} == {run_id}
    assert heard[0]["type"] == "run.started"


def test_neither_a_token_nor_a_ticket_is_in_a_log(up: Up, api: httpx.Client, token: str) -> None:
    tickets = [api.post("/api/v1/tickets", json={"for": "/ws"}).json()["ticket"] for _ in range(2)]
    run_id = api.post("/api/v1/chat", json={"message": "say one"}).json()["run_id"]
    address = f"/api/v1/runs/{run_id}/events"
    tickets.append(api.post("/api/v1/tickets", json={"for": address}).json()["ticket"])
    with connect(_address(up, f"/ws?ticket={tickets[0]}"), proxy=None) as talk:
        talk.send(json.dumps({"type": "auth", "token": token}))
        assert json.loads(talk.recv(LIMIT_S)) == {"type": "ok"}
        talk.send(json.dumps({"type": "auth", "token": f"{token}x"}))
        assert json.loads(talk.recv(LIMIT_S))["type"] == "error"
        talk.send(json.dumps({"type": "auth", "token": token, "ticket": tickets[1]}))
        assert json.loads(talk.recv(LIMIT_S))["type"] == "error"
    assert up.http.get(f"{address}?ticket={tickets[2]}").status_code == 200
    assert up.http.get(f"{address}?ticket={tickets[2]}").status_code == 401

    log = up.log.read_text()

    assert '"event":"socket"' in log.replace('": "', '":"')
    assert token not in log
    assert [ticket for ticket in tickets if ticket in log] == []
